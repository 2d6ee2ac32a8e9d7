import ModelFormat

/// x brought to mean 0 and variance 1 over `axes` ([0, 2, 3] without it):
///
///     y = (x − mean) / (√variance + 1e−9)
///
/// ONNX MeanVarianceNormalization, float32.
let meanVarianceNormalizationOperator = Operator(
  opcode: 204, name: "MeanVarianceNormalization", attributes: [AttributeSpec("axes", .ints)],
  inputs: 1...1,
  infer: { (context) throws(ApusError) in
    try context.requireFloat32()
    _ = try normalizedAxes(context)
    try context.setOutput(.float32, context.input(0).shape)
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0).shape
    if x.count == 0 { return }
    context.emit(
      MeanVarianceStep(
        context.input(0), context.output(0), x, mask: try normalizedAxes(context.node)),
      work: x.count * 8)
  })

/// Bit d is set where axis d is normalised over.
private func normalizedAxes(_ context: NodeContext) throws(ApusError) -> UInt {
  var mask: UInt = 0
  for axis in context.ints("axes") ?? [0, 2, 3] {
    mask |= 1 << UInt(try context.normalizedAxis(axis, rank: context.input(0).shape.rank))
  }
  return mask
}

/// One group of elements after the other, each with a mean and a variance of its own, in double
/// precision.
private final class MeanVarianceStep: Step {
  let x: Slot
  let y: Slot
  /// The axes of the groups, and those within a group; strides in elements.
  var outerRank = 0
  var innerRank = 0
  var outerCounts = InlineArray<8, Int>(repeating: 1)
  var outerStrides = InlineArray<8, Int>(repeating: 0)
  var innerCounts = InlineArray<8, Int>(repeating: 1)
  var innerStrides = InlineArray<8, Int>(repeating: 0)
  var groups = 1
  /// Elements of a group that follow each other: runs of `length`.
  var runs = 1
  var length = 1

  init(_ x: Slot, _ y: Slot, _ shape: Shape, mask: UInt) {
    self.x = x
    self.y = y
    var last = shape.rank
    while last > 0, mask >> UInt(last - 1) & 1 == 1 {
      last -= 1
      length *= shape[last]
    }
    for d in 0..<last {
      let stride = shape.product(d + 1, shape.rank)
      if mask >> UInt(d) & 1 == 1 {
        innerCounts[innerRank] = shape[d]
        innerStrides[innerRank] = stride
        innerRank += 1
        runs *= shape[d]
      } else {
        outerCounts[outerRank] = shape[d]
        outerStrides[outerRank] = stride
        outerRank += 1
        groups *= shape[d]
      }
    }
  }

  override func run(_ memory: Memory, _ share: Share) {
    let x = memory.floats(x)
    let y = memory.mutableFloats(y)
    let count = Double(runs &* length)
    for group in share.part(of: groups, grain: 16) {
      let start = boxOffset(group, outerCounts, outerStrides, rank: outerRank)
      var sum = 0.0
      forEachElement(start) { sum += Double(x[$0]) }
      let mean = sum / count
      var squares = 0.0
      forEachElement(start) { i in
        let v = Double(x[i]) - mean
        squares += v * v
      }
      let factor = 1 / ((squares / count).squareRoot() + 1e-9)
      forEachElement(start) { y[$0] = Float((Double(x[$0]) - mean) * factor) }
    }
  }

  @inline(__always) private func forEachElement(_ start: Int, _ body: (Int) -> Void) {
    for run in 0..<runs {
      let first = start &+ boxOffset(run, innerCounts, innerStrides, rank: innerRank)
      for i in 0..<length { body(first &+ i) }
    }
  }
}
