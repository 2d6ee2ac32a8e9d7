import ModelFormat

/// The greatest element of X in each of pooled_shape's bins of each region, 0 where a bin is empty.
///
/// Inputs: X [N, C, H, W], rois [R, 5]: image, x1, y1, x2, y2, the latter multiplied by spatial_scale
/// and rounded to elements, both ends included. Output [R, C, pooled_shape…]. ONNX MaxRoiPool,
/// float32.
let maxRoiPoolOperator = Operator(
  opcode: 223, name: "MaxRoiPool",
  attributes: [AttributeSpec("pooled_shape", .ints), AttributeSpec("spatial_scale", .float)],
  inputs: 2...2,
  notes: "An image outside the batch is clamped to the nearest.",
  infer: { (context) throws(ApusError) in
    try context.requireFloat32()
    try context.requireRank(0, 4...4)
    try context.requireRank(1, 2...2)
    let x = context.input(0).shape
    let rois = context.input(1).shape
    try context.requireShape(1, Shape(rois[0], 5))
    let pooled = context.ints("pooled_shape") ?? []
    try context.require(
      pooled.count == 2 && min(pooled[0], pooled[1]) >= 1 && max(pooled[0], pooled[1]) <= 1 << 20,
      .invalidModel, "pooled_shape must be two positive numbers")
    try context.require(
      x.count > 0 || rois[0] == 0 || x[1] == 0, "input 0 is empty: \(x)")
    try context.setOutput(.float32, Shape(rois[0], x[1], pooled[0], pooled[1]))
  },
  plan: { (context) throws(ApusError) in
    let shape = context.node.outputs[0].shape
    if shape.count == 0 { return }
    context.emit(
      MaxRoiPoolStep(
        context.node.input(0).shape, shape, context.node.float("spatial_scale", default: 1),
        context.input(0), context.input(1), context.output(0)),
      work: shape.count * 4)
  })

private final class MaxRoiPoolStep: Step {
  private let input: Shape
  private let output: Shape
  private let scale: Float
  private let x: Slot
  private let rois: Slot
  private let y: Slot

  init(_ input: Shape, _ output: Shape, _ scale: Float, _ x: Slot, _ rois: Slot, _ y: Slot) {
    self.input = input
    self.output = output
    self.scale = scale
    self.x = x
    self.rois = rois
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    let (height, width) = (input[2], input[3])
    for plane in share.part(of: output[0] * output[1]) {
      let roi = memory.floats(rois) + plane / output[1] * 5
      let image = max(0, min(element(roi[0]), input[0] - 1))
      let source =
        memory.floats(x) + (image * input[1] + plane % output[1]) * height * width
      var at = memory.mutableFloats(y) + plane * output[2] * output[3]
      for row in 0..<output[2] {
        let ys = bin(roi[2], roi[4], row, output[2], height)
        for column in 0..<output[3] {
          let xs = bin(roi[1], roi[3], column, output[3], width)
          var greatest: Float = ys.isEmpty || xs.isEmpty ? 0 : -Float.infinity
          for i in ys {
            for j in xs { greatest = max(greatest, source[i * width + j]) }
          }
          at[0] = greatest
          at += 1
        }
      }
    }
  }

  /// The elements of bin `i` of `count`, of those from `start` to `end` of an axis.
  private func bin(_ start: Float, _ end: Float, _ i: Int, _ count: Int, _ length: Int)
    -> Range<Int>
  {
    let first = element(start * scale)
    let size = Float(max(1, element(end * scale) - first + 1)) / Float(count)
    let low = max(0, min(first + Int((Float(i) * size).rounded(.down)), length))
    let high = max(0, min(first + Int((Float(i + 1) * size).rounded(.up)), length))
    return low..<max(low, high)
  }

  /// The nearest position, within what Float tells apart.
  private func element(_ x: Float) -> Int {
    let limit: Float = 0x1p24
    return x >= -limit ? Int(min(x, limit).rounded()) : -(1 << 24)
  }
}
