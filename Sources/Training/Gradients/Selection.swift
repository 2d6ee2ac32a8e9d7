// Operators whose output elements are elements of the input: a table says which.

/// For each element of a tensor of `shape`, in order, Σ index_d · strides_d + offset.
private func positions(
  _ shape: [Int], strides: [Int], offset: Int = 0, _ store: (Int, Int) -> Void
) {
  var counter = [Int](repeating: 0, count: shape.count)
  var at = offset
  for i in 0..<shape.reduce(1, *) {
    store(i, at)
    var d = shape.count - 1
    while d >= 0 {
      counter[d] += 1
      at += strides[d]
      if counter[d] < shape[d] { break }
      at -= strides[d] * shape[d]
      counter[d] = 0
      d -= 1
    }
  }
}

private func strides(_ shape: [Int]) -> [Int] {
  var strides = [Int](repeating: 1, count: shape.count)
  for d in (0..<max(shape.count - 1, 0)).reversed() { strides[d] = strides[d + 1] * shape[d + 1] }
  return strides
}

/// Strides of `shape` when it is broadcast to `target`: 0 where it repeats.
private func broadcastStrides(_ shape: [Int], to target: [Int]) -> [Int] {
  let missing = target.count - shape.count
  let own = strides(shape)
  return target.indices.map { $0 < missing || shape[$0 - missing] == 1 ? 0 : own[$0 - missing] }
}

/// y[i] = x[from[i]]; dx[from[i]] += dy[i].
private func selectionPasses<S: TrainingScalar>(
  _ x: Tensor<S>, _ y: Tensor<S>, _ from: UnsafeMutablePointer<Int64>
) -> Passes {
  Passes(
    forward: {
      if y.isReal {
        for i in 0..<y.count { y.data[i] = x.data[Int(from[i])] }
      } else {
        for i in 0..<y.count { y.integers[i] = x.integers[Int(from[i])] }
      }
    },
    backward: {
      guard let dx = x.gradient, let dy = y.gradient else { return }
      for i in 0..<y.count { dx[Int(from[i])] += dy[i] }
    })
}

/// Elements at regular distances along each axis; starts, ends, axes and steps as in ONNX.
func sliceRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let (x, y) = (call.input(0), call.output(0))
  let starts = call.input(1)
  var along = strides(x.shape)
  var offset = 0
  for i in 0..<starts.count {
    let axis = call.optionalInput(3).map { Int($0.integers[i]) } ?? i
    let d = axis < 0 ? axis + x.shape.count : axis
    let length = x.shape[d]
    let step = call.optionalInput(4).map { Int($0.integers[i]) } ?? 1
    var start = Int(starts.integers[i])
    if start < 0 { start += length }
    start = step > 0 ? max(0, min(start, length)) : max(-1, min(start, length - 1))
    offset += y.shape[d] > 0 ? start * along[d] : 0
    along[d] = y.shape[d] > 1 ? along[d] * step : 0
  }
  let from = call.integerBuffer(max(y.count, 1))
  positions(y.shape, strides: along, offset: offset) { from[$0] = Int64($1) }
  return selectionPasses(x, y, from)
}

/// x repeated along its dimensions of 1; the gradients of the copies add up.
func expandRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let (x, y) = (call.input(0), call.output(0))
  let from = call.integerBuffer(max(y.count, 1))
  positions(y.shape, strides: broadcastStrides(x.shape, to: y.shape)) { from[$0] = Int64($1) }
  return selectionPasses(x, y, from)
}

/// y = condition ? a : b; the gradient goes to the one that was taken.
func whereRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let (condition, a, b) = (call.input(0), call.input(1), call.input(2))
  let y = call.output(0)
  guard y.isReal else { throw call.unsupported("a Where of integers") }
  let tables = [condition, a, b].map { tensor in
    let table = call.integerBuffer(max(y.count, 1))
    positions(y.shape, strides: broadcastStrides(tensor.shape, to: y.shape)) {
      table[$0] = Int64($1)
    }
    return table
  }
  func holds(_ i: Int) -> Bool { condition.integers[Int(tables[0][i])] != 0 }
  return Passes(
    forward: {
      for i in 0..<y.count {
        y.data[i] = holds(i) ? a.data[Int(tables[1][i])] : b.data[Int(tables[2][i])]
      }
    },
    backward: {
      guard let dy = y.gradient else { return }
      for i in 0..<y.count {
        if holds(i) {
          a.gradient?[Int(tables[1][i])] += dy[i]
        } else {
          b.gradient?[Int(tables[2][i])] += dy[i]
        }
      }
    })
}
