/// x with constant numbers around it; only what comes from x has a gradient.
func padRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let (x, y) = (call.input(0), call.output(0))
  guard call.node.string("mode", default: "constant") == "constant" else {
    throw call.unsupported("mode \(call.node.string("mode", default: ""))")
  }
  let rank = x.shape.count
  var before = [Int](repeating: 0, count: rank)
  let pads = call.input(1)
  let axes = call.optionalInput(3)
  let count = pads.count / 2
  for i in 0..<count {
    let axis = axes.map { Int($0.integers[i]) } ?? i
    before[axis < 0 ? axis + rank : axis] = Int(pads.integers[i])
  }
  // Where each element of x stands in y; −1 where it is cut off.
  let to = call.integerBuffer(x.count)
  var counter = [Int](repeating: 0, count: rank)
  for i in 0..<x.count {
    var at = 0
    for d in 0..<rank {
      let p = counter[d] + before[d]
      if at >= 0 { at = p >= 0 && p < y.shape[d] ? at * y.shape[d] + p : -1 }
    }
    to[i] = Int64(at)
    var d = rank - 1
    while d >= 0 {
      counter[d] += 1
      if counter[d] < x.shape[d] { break }
      counter[d] = 0
      d -= 1
    }
  }
  let value = call.optionalInput(2)
  return Passes(
    forward: {
      y.data.update(repeating: value?.data[0] ?? 0, count: y.count)
      for i in 0..<x.count where to[i] >= 0 { y.data[Int(to[i])] = x.data[i] }
    },
    backward: {
      guard let dx = x.gradient, let dy = y.gradient else { return }
      for i in 0..<x.count where to[i] >= 0 { dx[i] += dy[Int(to[i])] }
    })
}
