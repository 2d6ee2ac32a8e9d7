import CKernels
import CSystem
import ModelFormat

/// The inputs one after the other along `axis`. ONNX Concat, any type.
let concatOperator = Operator(
  opcode: 106, name: "Concat", attributes: [AttributeSpec("axis", .int)], inputs: 1...65535,
  infer: { (context) throws(ApusError) in
    try context.setOutput(context.input(0).dataType, try concatShape(context))
  },
  plan: { (context) throws(ApusError) in
    let node = context.node
    let axis = try concatAxis(node)
    if axis == 1, context.planBlockedConcat() || context.planByteConcat() { return }
    let y = node.outputs[0]
    let size = y.dataType.size
    let target = denseStrides(y.shape, elementSize: size)
    var offset = 0
    for i in 0..<node.inputs.count {
      let shape = node.input(i).shape
      let copy = StridedCopy(
        elementSize: size, counts: shape, sourceStrides: denseStrides(shape, elementSize: size),
        targetStrides: target, targetOffset: offset)
      if node.inputs.count == 1 {
        context.emitCopy(copy, input: i, output: 0)
      } else {
        context.emitPartialCopy(copy, input: i, output: 0)
      }
      offset += shape[axis] * target[axis]
    }
  })

/// The shape of inputs `first`, `first + step` … after one another.
func concatShape(
  _ context: NodeContext, first: Int = 0, step: Int = 1
) throws(ApusError) -> Shape {
  let axis = try concatAxis(context, first)
  var shape = context.input(first).shape
  var total = 0
  var i = first
  while i < context.inputs.count {
    guard let input = context.optionalInput(i) else {
      throw context.error(.invalidModel, "input \(i) is left out")
    }
    try context.requireType(i, context.input(first).dataType)
    try context.require(
      input.shape.rank == shape.rank, "input \(i) is \(input.shape) and input \(first) is \(shape)")
    for d in 0..<shape.rank where d != axis {
      try context.require(
        input.shape[d] == shape[d],
        "input \(i) is \(input.shape), input \(first) is \(shape): dimension \(d) differs")
    }
    total += input.shape[axis]
    try context.require(
      total <= Shape.maximumCount, "axis \(axis) of the output would be too long")
    i += step
  }
  shape[axis] = total
  return shape
}

func concatAxis(_ context: NodeContext, _ first: Int = 0) throws(ApusError) -> Int {
  let rank = context.input(first).shape.rank
  try context.require(rank > 0, "input \(first) is a scalar, which cannot be concatenated")
  return try context.normalizedAxis(context.int("axis", default: 0), rank: rank)
}

extension PlanContext {
  /// Joins channels of tensors that lie in channel blocks, where each begins a block of the output.
  fileprivate func planBlockedConcat() -> Bool {
    let output = node.outputs[0]
    guard mayUseBlocks, output.dataType == .float32, output.shape.count > 0 else { return false }
    for i in node.inputs.indices {
      let isLast = i == node.inputs.count - 1
      guard isBlocked(i), isLast || node.input(i).shape[1] % kernels.pointee.vector_width == 0
      else { return false }
    }
    let target = ChannelBlocks(output.shape, kernels)
    var first = 0
    for i in node.inputs.indices {
      let source = ChannelBlocks(node.input(i).shape, kernels)
      emit(
        BlockedConcatStep(
          source, into: target, at: first * target.blockStride, x: blockedInput(i),
          y: blockedOutput(0)),
        work: source.count)
      first += source.blocks
    }
    return true
  }
}

private final class BlockedConcatStep: Step {
  private let source: ChannelBlocks
  private let target: ChannelBlocks
  private let offset: Int
  private let x: Slot
  private let y: Slot

  init(_ source: ChannelBlocks, into target: ChannelBlocks, at offset: Int, x: Slot, y: Slot) {
    self.source = source
    self.target = target
    self.offset = offset
    self.x = x
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    source.forEach(share) { (item, block, first, count) in
      let place = block * source.blockStride + first * source.width
      memcpy(
        memory.mutableFloats(y) + (item * target.itemStride + offset + place),
        memory.floats(x) + (item * source.itemStride + place), count * source.width * 4)
    }
  }
}
