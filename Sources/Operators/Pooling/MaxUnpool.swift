import CSystem
import ModelFormat

/// y[indices[i]] = x[i], zeros elsewhere: MaxPool's second output leads back to where the largest
/// elements lay. Indices count in the tensor that the kernel, strides and pads imply,
///
///     size = (D − 1) · stride + kernel − pads
///
/// which stands in the corner of `output_shape` where that is given. An index outside is left out.
///
/// Inputs: X [N, C, D1 … Dr], indices int64 of the same shape, output_shape [r + 2] (optional).
/// ONNX MaxUnpool, any type.
let maxUnpoolOperator = Operator(
  opcode: 226, name: "MaxUnpool",
  attributes: [
    AttributeSpec("kernel_shape", .ints), AttributeSpec("pads", .ints),
    AttributeSpec("strides", .ints),
  ],
  inputs: 2...3,
  notes: "Any type. An index outside the output is left out.",
  infer: { (context) throws(ApusError) in
    try context.requireType(1, .int64)
    try context.requireShape(1, context.input(0).shape)
    let inner = try unpooledShape(context)
    guard let stated = try context.constantInts(2) else {
      return try context.setOutput(context.input(0).dataType, inner)
    }
    try context.require(
      stated.count == inner.rank, "output_shape has \(stated.count) numbers, the input \(inner.rank)")
    for axis in 0..<inner.rank {
      try context.require(
        stated[axis] >= inner[axis], "output_shape holds \(stated[axis]), less than \(inner[axis])")
    }
    try context.setOutput(context.input(0).dataType, Shape(stated))
  },
  plan: { (context) throws(ApusError) in
    if context.node.outputs[0].shape.count == 0 { return }
    let x = context.node.input(0)
    context.emit(
      MaxUnpoolStep(
        context.input(0), context.input(1), context.output(0), count: x.shape.count,
        elementSize: x.dataType.size, inner: try unpooledShape(context.node),
        outer: context.node.outputs[0].shape),
      work: 0)
  })

private func unpooledShape(_ context: NodeContext) throws(ApusError) -> Shape {
  try context.requireRank(0, 3...Shape.maximumRank)
  var shape = context.input(0).shape
  let rank = shape.rank - 2
  guard context.hasAttribute("kernel_shape") else {
    throw context.error(.invalidModel, "the attribute kernel_shape is missing")
  }
  let kernel = try SpatialGeometry.read(context, "kernel_shape", rank, 1, default: 1)
  let strides = try SpatialGeometry.read(context, "strides", rank, 1, default: 1)
  let pads = try SpatialGeometry.read(context, "pads", 2 * rank, 0, default: 0)
  for i in 0..<rank {
    let d = shape[2 + i]
    try context.require(
      d >= 1 && d <= SpatialGeometry.limit, "axis \(2 + i) of \(shape) cannot be unpooled")
    shape[2 + i] = (d - 1) * strides[i] + kernel[i] - pads[i] - pads[rank + i]
    try context.require(
      shape[2 + i] >= 0, "axis \(2 + i) of the output would have \(shape[2 + i]) elements")
  }
  try context.require(shape.checkedCount != nil, "\(shape) is too much to hold")
  return shape
}

/// One thread: indices may lead anywhere, and of several that lead to one element the last wins.
private final class MaxUnpoolStep: Step {
  private let x: Slot
  private let indices: Slot
  private let y: Slot
  private let count: Int
  private let elementSize: Int
  private let inner: Shape
  private let outer: Shape

  init(
    _ x: Slot, _ indices: Slot, _ y: Slot, count: Int, elementSize: Int, inner: Shape, outer: Shape
  ) {
    self.x = x
    self.indices = indices
    self.y = y
    self.count = count
    self.elementSize = elementSize
    self.inner = inner
    self.outer = outer
  }

  override func run(_ memory: Memory, _ share: Share) {
    memset(memory[y], 0, outer.count * elementSize)
    let indices = memory[indices].assumingMemoryBound(to: Int64.self)
    let innerCount = inner.count
    let isSame = inner == outer
    var i = 0
    while i < count {
      let index = Int(indices[i])
      if index >= 0 && index < innerCount {
        let at = isSame ? index : position(index)
        memcpy(memory[y] + at * elementSize, memory[x] + i * elementSize, elementSize)
      }
      i += 1
    }
  }

  private func position(_ index: Int) -> Int {
    var rest = index
    var stride = 1
    var at = 0
    var axis = inner.rank - 1
    while axis >= 0 {
      at += rest % inner[axis] * stride
      rest /= inner[axis]
      stride *= outer[axis]
      axis -= 1
    }
    return at
  }
}
