// Arithmetic beyond the four operations: powers, slopes, and operators of any number of inputs.

/// y = a^b with real or integer exponents; da = b a^(b−1) dy, db = y ln a dy (0 where a ≤ 0).
func powRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let pair = BroadcastPair(call)
  let (a, b, y) = (call.input(0), call.input(1), call.output(0))
  let exponents = b.isReal ? b.data : call.buffer(b.count)
  func readExponents() {
    if !b.isReal { for i in 0..<b.count { exponents[i] = S(b.integers[i]) } }
  }
  return Passes(
    forward: {
      readExponents()
      pair.forEach { i, j, k in y.data[i] = S.pow(a.data[j], exponents[k]) }
    },
    backward: {
      guard let dy = y.gradient else { return }
      if let da = a.gradient {
        pair.forEach { i, j, k in
          let e = exponents[k]
          if e != 0 { da[j] += dy[i] * e * S.pow(a.data[j], e - 1) }
        }
      }
      if b.isReal, let db = b.gradient {
        pair.forEach { i, j, k in
          if a.data[j] > 0 { db[k] += dy[i] * y.data[i] * S.log(a.data[j]) }
        }
      }
    })
}

/// y = x, slope · x below 0.
func preluRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let pair = BroadcastPair(call)
  let (x, slope, y) = (call.input(0), call.input(1), call.output(0))
  return Passes(
    forward: {
      pair.forEach { i, j, k in
        let v = x.data[j]
        y.data[i] = v < 0 ? v * slope.data[k] : v
      }
    },
    backward: {
      guard let dy = y.gradient else { return }
      pair.forEach { i, j, k in
        let isBelow = x.data[j] < 0
        x.gradient?[j] += isBelow ? dy[i] * slope.data[k] : dy[i]
        if isBelow { slope.gradient?[k] += dy[i] * x.data[j] }
      }
    })
}

/// y = Σ xᵢ, the inputs broadcast together.
func sumRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  try sumRule(call, factor: 1)
}

/// y = Σ xᵢ / n.
func meanRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  try sumRule(call, factor: 1 / S(call.inputs.count))
}

private func sumRule<S: TrainingScalar>(_ call: NodeCall<S>, factor: S) throws -> Passes {
  let y = call.output(0)
  let parts = call.inputs.indices.map { (call.input($0), call.broadcastIndices(input: $0)) }
  return Passes(
    forward: {
      for i in 0..<y.count { y.data[i] = 0 }
      for (x, at) in parts { for i in 0..<y.count { y.data[i] += x.data[Int(at[i])] * factor } }
    },
    backward: {
      guard let dy = y.gradient else { return }
      for (x, at) in parts {
        guard let dx = x.gradient else { continue }
        for i in 0..<y.count { dx[Int(at[i])] += dy[i] * factor }
      }
    })
}

/// The smallest of the inputs; the first that is takes the gradient.
func minRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  try choiceRule(call) { $0 < $1 }
}

/// The greatest of the inputs.
func maxRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  try choiceRule(call) { $0 > $1 }
}

private func choiceRule<S: TrainingScalar>(
  _ call: NodeCall<S>, _ isBetter: @escaping (S, S) -> Bool
) throws -> Passes {
  let y = call.output(0)
  guard y.isReal else { throw call.unsupported("integers here") }
  let parts = call.inputs.indices.map { (call.input($0), call.broadcastIndices(input: $0)) }
  let chosen = call.integerBuffer(y.count)
  return Passes(
    forward: {
      for i in 0..<y.count {
        var best = parts[0].0.data[Int(parts[0].1[i])]
        chosen[i] = 0
        for k in 1..<max(1, parts.count) {
          let v = parts[k].0.data[Int(parts[k].1[i])]
          if isBetter(v, best) {
            best = v
            chosen[i] = Int64(k)
          }
        }
        y.data[i] = best
      }
    },
    backward: {
      guard let dy = y.gradient else { return }
      for i in 0..<y.count {
        let (x, at) = parts[Int(chosen[i])]
        x.gradient?[Int(at[i])] += dy[i]
      }
    })
}

extension NodeCall {
  /// For each element of output 0 the element of an input that it takes.
  fileprivate func broadcastIndices(input i: Int) -> UnsafeMutablePointer<Int64> {
    let indices = integerBuffer(output(0).count)
    BroadcastPair.fill(indices, input(i).shape, output(0).shape)
    return indices
  }
}
