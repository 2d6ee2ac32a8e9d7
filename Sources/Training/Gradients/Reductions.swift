/// Which elements of the input each element of a reduction's output comes from.
private struct ReductionIndices<S: TrainingScalar> {
  /// For each input element its output element.
  let target: UnsafeMutablePointer<Int64>
  let count: Int
  let outputCount: Int
  /// Input elements for each output element.
  var length: Int { outputCount == 0 ? 0 : count / outputCount }

  init(_ call: NodeCall<S>) {
    let shape = call.input(0).shape
    let rank = shape.count
    var axes: [Int] = []
    if let stated = call.optionalInput(1) {
      for i in 0..<stated.count {
        let axis = Int(stated.integers[i])
        axes.append(axis < 0 ? axis + rank : axis)
      }
    }
    if axes.isEmpty, call.node.int("noop_with_empty_axes", default: 0) == 0 {
      axes = Array(0..<rank)
    }
    // The output as if it kept its dimensions, broadcast to the input.
    let kept = shape.indices.map { axes.contains($0) ? 1 : shape[$0] }
    count = call.input(0).count
    outputCount = kept.reduce(1, *)
    target = call.integerBuffer(count)
    BroadcastPair.fill(target, kept, shape)
  }
}

/// y = end(Σ term(x)); dx = slope(x) dy; n: the number of terms. A type rather than closures, so that
/// loops over elements call nothing.
private protocol SumLike {
  static func term<S: TrainingScalar>(_ x: S) -> S
  static func end<S: TrainingScalar>(_ sum: S, _ n: S) -> S
  static func slope<S: TrainingScalar>(_ x: S, _ y: S, _ n: S) -> S
}

@inline(__always)
private func sumLikeRule<S: TrainingScalar, F: SumLike>(_ call: NodeCall<S>, _: F.Type) -> Passes {
  let indices = ReductionIndices(call)
  let (x, y) = (call.input(0), call.output(0))
  let length = S(indices.length)
  return Passes(
    forward: {
      for i in 0..<y.count { y.data[i] = 0 }
      for i in 0..<x.count { y.data[Int(indices.target[i])] += F.term(x.data[i]) }
      for i in 0..<y.count { y.data[i] = F.end(y.data[i], length) }
    },
    backward: {
      guard let dx = x.gradient, let dy = y.gradient else { return }
      for i in 0..<x.count {
        let at = Int(indices.target[i])
        dx[i] += dy[at] * F.slope(x.data[i], y.data[at], length)
      }
    })
}

private enum PlainSum: SumLike {
  @inline(__always) static func term<S: TrainingScalar>(_ x: S) -> S { x }
  @inline(__always) static func end<S: TrainingScalar>(_ sum: S, _ n: S) -> S { sum }
  @inline(__always)
  static func slope<S: TrainingScalar>(_ x: S, _ y: S, _ n: S) -> S { 1 }
}

/// y = Σ x; dx = dy.
func reduceSumRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  sumLikeRule(call, PlainSum.self)
}

private enum MeanOfAll: SumLike {
  @inline(__always) static func term<S: TrainingScalar>(_ x: S) -> S { x }
  @inline(__always) static func end<S: TrainingScalar>(_ sum: S, _ n: S) -> S { sum / n }
  @inline(__always)
  static func slope<S: TrainingScalar>(_ x: S, _ y: S, _ n: S) -> S { 1 / n }
}

/// y = Σ x / n; dx = dy / n.
func reduceMeanRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  sumLikeRule(call, MeanOfAll.self)
}

private enum AbsoluteSum: SumLike {
  @inline(__always) static func term<S: TrainingScalar>(_ x: S) -> S { abs(x) }
  @inline(__always) static func end<S: TrainingScalar>(_ sum: S, _ n: S) -> S { sum }
  @inline(__always)
  static func slope<S: TrainingScalar>(_ x: S, _ y: S, _ n: S) -> S { x > 0 ? 1 : x < 0 ? -1 : 0 }
}

/// y = Σ |x|; dx = sign(x) dy.
func reduceL1Rule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  sumLikeRule(call, AbsoluteSum.self)
}

private enum EuclideanLength: SumLike {
  @inline(__always) static func term<S: TrainingScalar>(_ x: S) -> S { x * x }
  @inline(__always) static func end<S: TrainingScalar>(_ sum: S, _ n: S) -> S { sum.squareRoot() }
  @inline(__always)
  static func slope<S: TrainingScalar>(_ x: S, _ y: S, _ n: S) -> S { y == 0 ? 0 : x / y }
}

/// y = √Σ x²; dx = x / y dy, 0 where all are 0.
func reduceL2Rule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  sumLikeRule(call, EuclideanLength.self)
}

private enum SumOfSquares: SumLike {
  @inline(__always) static func term<S: TrainingScalar>(_ x: S) -> S { x * x }
  @inline(__always) static func end<S: TrainingScalar>(_ sum: S, _ n: S) -> S { sum }
  @inline(__always)
  static func slope<S: TrainingScalar>(_ x: S, _ y: S, _ n: S) -> S { 2 * x }
}

/// y = Σ x²; dx = 2 x dy.
func reduceSumSquareRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  sumLikeRule(call, SumOfSquares.self)
}

private enum LogOfSum: SumLike {
  @inline(__always) static func term<S: TrainingScalar>(_ x: S) -> S { x }
  @inline(__always) static func end<S: TrainingScalar>(_ sum: S, _ n: S) -> S { S.log(sum) }
  @inline(__always)
  static func slope<S: TrainingScalar>(_ x: S, _ y: S, _ n: S) -> S { S.exp(-y) }
}

/// y = log Σ x; dx = e^−y dy.
func reduceLogSumRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  sumLikeRule(call, LogOfSum.self)
}

/// y = log Σ e^x; dx = e^(x − y) dy.
func reduceLogSumExpRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let indices = ReductionIndices(call)
  let (x, y) = (call.input(0), call.output(0))
  let highest = call.buffer(y.count)
  return Passes(
    forward: {
      for i in 0..<y.count {
        y.data[i] = 0
        highest[i] = -.infinity
      }
      for i in 0..<x.count {
        let at = Int(indices.target[i])
        highest[at] = max(highest[at], x.data[i])
      }
      for i in 0..<x.count {
        let at = Int(indices.target[i])
        y.data[at] += S.exp(x.data[i] - highest[at])
      }
      for i in 0..<y.count { y.data[i] = highest[i] + S.log(y.data[i]) }
    },
    backward: {
      guard let dx = x.gradient, let dy = y.gradient else { return }
      for i in 0..<x.count {
        let at = Int(indices.target[i])
        dx[i] += dy[at] * S.exp(x.data[i] - y.data[at])
      }
    })
}

/// y = Π x; dx = dy times the product of the others.
func reduceProdRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let indices = ReductionIndices(call)
  let (x, y) = (call.input(0), call.output(0))
  // The products before and after each element, so that zeros need no division.
  let before = call.buffer(x.count)
  let running = call.buffer(y.count)
  return Passes(
    forward: {
      for i in 0..<y.count { y.data[i] = 1 }
      for i in 0..<x.count {
        let at = Int(indices.target[i])
        before[i] = y.data[at]
        y.data[at] *= x.data[i]
      }
    },
    backward: {
      guard let dx = x.gradient, let dy = y.gradient else { return }
      for i in 0..<y.count { running[i] = 1 }
      for i in (0..<x.count).reversed() {
        let at = Int(indices.target[i])
        dx[i] += dy[at] * before[i] * running[at]
        running[at] *= x.data[i]
      }
    })
}

/// The greatest element; the first that is takes the gradient.
func reduceMaxRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  reduceChoiceRule(call) { $0 > $1 }
}

/// The smallest element.
func reduceMinRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  reduceChoiceRule(call) { $0 < $1 }
}

private func reduceChoiceRule<S: TrainingScalar>(
  _ call: NodeCall<S>, _ isBetter: @escaping (S, S) -> Bool
) -> Passes {
  let indices = ReductionIndices(call)
  let (x, y) = (call.input(0), call.output(0))
  let chosen = call.integerBuffer(y.count)
  return Passes(
    forward: {
      for i in 0..<y.count { chosen[i] = -1 }
      for i in 0..<x.count {
        let at = Int(indices.target[i])
        if chosen[at] < 0 || isBetter(x.data[i], y.data[at]) {
          y.data[at] = x.data[i]
          chosen[at] = Int64(i)
        }
      }
    },
    backward: {
      guard let dx = x.gradient, let dy = y.gradient else { return }
      for i in 0..<y.count where chosen[i] >= 0 { dx[Int(chosen[i])] += dy[i] }
    })
}

/// y = x − log Σ e^x along `axis`; dx = dy − e^y Σ dy.
func logSoftmaxRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let (x, y) = (call.input(0), call.output(0))
  let stated = call.node.int("axis", default: -1)
  let axis = stated < 0 ? stated + x.shape.count : stated
  let inner = x.product(axis + 1..<x.shape.count)
  let length = x.shape[axis]
  let outer = x.product(0..<axis)
  return Passes(
    forward: {
      for block in 0..<outer * inner {
        let start = block / inner * length * inner + block % inner
        var highest = x.data[start]
        for i in 0..<length { highest = max(highest, x.data[start + i * inner]) }
        var sum: S = 0
        for i in 0..<length { sum += S.exp(x.data[start + i * inner] - highest) }
        let shift = highest + S.log(sum)
        for i in 0..<length { y.data[start + i * inner] = x.data[start + i * inner] - shift }
      }
    },
    backward: {
      guard let dx = x.gradient, let dy = y.gradient else { return }
      for block in 0..<outer * inner {
        let start = block / inner * length * inner + block % inner
        var sum: S = 0
        for i in 0..<length { sum += dy[start + i * inner] }
        for i in 0..<length {
          let at = start + i * inner
          dx[at] += dy[at] - S.exp(y.data[at]) * sum
        }
      }
    })
}
