import ModelFormat

/// A new axis of length `depth` (input 1) at `axis`, along which the entry that the index names is
/// `on`, the others `off`: input 2 holds off and on. Negative indices count from the end; where one
/// is outside the axis all is off. Indices that are floats lose their fraction. ONNX OneHot, values
/// of any type.
let oneHotOperator = Operator(
  opcode: 195, name: "OneHot", attributes: [AttributeSpec("axis", .int)], inputs: 3...3,
  notes: "Where an index is outside the axis all is off.",
  infer: { (context) throws(ApusError) in
    try context.requireNumbers(0)
    try context.requireNumbers(1)
    let indices = context.input(0).shape
    let depth = context.input(1)
    let values = context.input(2)
    try context.require(depth.shape.count == 1, "input 1 must be a scalar and is \(depth.shape)")
    try context.require(
      values.shape.count == 2, "input 2 must hold off and on and is \(values.shape)")
    try context.require(
      indices.rank < Shape.maximumRank, .unsupported, "the output would have 9 dimensions")
    let axis = try context.normalizedAxis(
      context.int("axis", default: -1), rank: indices.rank + 1)
    let length = loadInteger(try context.knownValue(1), 0, depth.dataType)
    try context.require(length >= 0, .invalidModel, "the depth is \(length)")
    var shape = Shape()
    for d in 0...indices.rank {
      shape.append(d == axis ? length : indices[d < axis ? d : d - 1])
    }
    try context.setOutput(values.dataType, shape)
  },
  plan: { (context) throws(ApusError) in
    let node = context.node
    let y = node.outputs[0]
    if y.shape.count == 0 { return }
    let axis = try node.normalizedAxis(node.int("axis", default: -1), rank: y.shape.rank)
    context.emit(
      OneHotStep(
        context.input(0), context.input(2), context.output(0), node.input(0).dataType,
        AxisLines(y.shape, axis: axis), size: y.dataType.size),
      work: y.shape.count * 2)
  })

private final class OneHotStep: Step {
  let indices: Slot
  let values: Slot
  let y: Slot
  let type: DataType
  let lines: AxisLines
  let size: Int

  init(
    _ indices: Slot, _ values: Slot, _ y: Slot, _ type: DataType, _ lines: AxisLines, size: Int
  ) {
    self.indices = indices
    self.values = values
    self.y = y
    self.type = type
    self.lines = lines
    self.size = size
  }

  override func run(_ memory: Memory, _ share: Share) {
    let off = UnsafeRawPointer(memory[values])
    for line in share.part(of: lines.count, grain: 16) {
      let target = memory[y] + lines.start(line) &* size
      let step = lines.stride &* size
      if lines.stride == 1 {
        fillElements(target, off, size: size, count: lines.length)
      } else {
        for i in 0..<lines.length { copyElement(target + i &* step, off, size) }
      }
      let index = loadInteger(memory[indices], line, type)
      let k = index < 0 ? index &+ lines.length : index
      if k >= 0 && k < lines.length { copyElement(target + k &* step, off + size, size) }
    }
  }
}
