/// y = max(x, 0); dx = dy where y > 0.
func reluRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let n = call.input(0).count
  let x = call.input(0).data
  let y = call.output(0).data
  let dx = call.input(0).gradient
  let dy = call.output(0).gradient
  return Passes(
    forward: { for i in 0..<n { y[i] = max(x[i], 0) } },
    backward: {
      guard let dx, let dy else { return }
      for i in 0..<n {
        let d = dy[i]
        dx[i] += y[i] > 0 ? d : 0
      }
    })
}

/// dx = dy (1 − y²).
func tanhRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let n = call.input(0).count
  let x = call.input(0).data
  let y = call.output(0).data
  let dx = call.input(0).gradient
  let dy = call.output(0).gradient
  return Passes(
    forward: { S.tanh(n, x, y) },
    backward: {
      guard let dx, let dy else { return }
      for i in 0..<n { dx[i] += dy[i] * (1 - y[i] * y[i]) }
    })
}

/// dx = dy y (1 − y).
func sigmoidRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let n = call.input(0).count
  let x = call.input(0).data
  let y = call.output(0).data
  let dx = call.input(0).gradient
  let dy = call.output(0).gradient
  return Passes(
    forward: { S.sigmoid(n, x, y) },
    backward: {
      guard let dx, let dy else { return }
      for i in 0..<n { dx[i] += dy[i] * y[i] * (1 - y[i]) }
    })
}

/// y = exp(x − max) / Σ exp(x − max) along `axis`; dx = y (dy − Σ y dy).
func softmaxRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let shape = call.input(0).shape
  let stated = call.node.int("axis", default: -1)
  let axis = stated < 0 ? stated + shape.count : stated
  let inner = shape[(axis + 1)...].reduce(1, *)
  let length = shape[axis]
  let outer = shape[..<axis].reduce(1, *)
  let x = call.input(0).data
  let y = call.output(0).data
  let dx = call.input(0).gradient
  let dy = call.output(0).gradient
  return Passes(
    forward: {
      for o in 0..<outer {
        for k in 0..<inner {
          let start = o * length * inner + k
          var highest = x[start]
          for i in 0..<length { highest = max(highest, x[start + i * inner]) }
          for i in 0..<length { y[start + i * inner] = x[start + i * inner] - highest }
        }
      }
      S.exp(outer * length * inner, y, y)
      for o in 0..<outer {
        for k in 0..<inner {
          let start = o * length * inner + k
          var sum: S = 0
          for i in 0..<length { sum += y[start + i * inner] }
          for i in 0..<length { y[start + i * inner] /= sum }
        }
      }
    },
    backward: {
      guard let dx, let dy else { return }
      for o in 0..<outer {
        for k in 0..<inner {
          let start = o * length * inner + k
          var sum: S = 0
          for i in 0..<length { sum += y[start + i * inner] * dy[start + i * inner] }
          for i in 0..<length {
            let at = start + i * inner
            dx[at] += y[at] * (dy[at] - sum)
          }
        }
      }
    })
}

/// In training y = mask x / (1 − ratio) with a mask of zeros (probability `ratio`) and ones drawn
/// anew in each pass, and dx = mask dy / (1 − ratio); otherwise y = x.
func dropoutRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  guard call.isTraining else { return try viewRule(call) }
  let n = call.input(0).count
  let x = call.input(0).data
  let y = call.output(0).data
  let dx = call.input(0).gradient
  let dy = call.output(0).gradient
  let ratio = call.node.float("ratio", default: 0.5)
  let scale = S(1 / (1 - ratio))
  let mask = call.buffer(n)
  let random = call.random
  return Passes(
    forward: {
      var source = random.source
      for i in 0..<n { mask[i] = source.float() < ratio ? 0 : scale }
      random.source = source
      for i in 0..<n { y[i] = x[i] * mask[i] }
    },
    backward: {
      guard let dx, let dy else { return }
      for i in 0..<n { dx[i] += dy[i] * mask[i] }
    })
}
