/// The largest over all spatial dimensions; its gradient goes to that element (the first if equal).
func globalMaxPoolRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let (x, y) = (call.input(0), call.output(0))
  let planes = x.shape[0] * x.shape[1]
  let n = x.count / max(planes, 1)
  let chosen = call.integerBuffer(planes)
  return Passes(
    forward: {
      for plane in 0..<planes {
        var at = plane * n
        for i in 0..<n where x.data[plane * n + i] > x.data[at] { at = plane * n + i }
        y.data[plane] = x.data[at]
        chosen[plane] = Int64(at)
      }
    },
    backward: {
      guard let dx = x.gradient, let dy = y.gradient else { return }
      for plane in 0..<planes { dx[Int(chosen[plane])] += dy[plane] }
    })
}
