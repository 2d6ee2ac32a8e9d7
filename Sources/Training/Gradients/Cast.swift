import ModelFormat

/// x as another element type. From float32 to float32 nothing changes; from integers the numbers are
/// the same ones, and there is no gradient. What a float loses on its way to an integer or to a
/// smaller float has no useful derivative: that is refused.
func castRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes {
  let (x, y) = (call.input(0), call.output(0))
  let isFloat32 = call.node.int("to", default: 0) == 1
  guard isFloat32 else {
    if x.isReal { throw call.unsupported("a Cast of float32 to another type") }
    throw call.unsupported("a Cast of integers to anything but float32")
  }
  if x.isReal { return try viewRule(call) }
  return Passes(
    forward: { for i in 0..<x.count { y.data[i] = S(x.integers[i]) } }, backward: {})
}
