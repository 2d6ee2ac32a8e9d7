import CKernels
import ModelFormat

/// y[n, c, 1 …] = the mean of x[n, c, …]. Input X [N, C, D1 … Dr]. ONNX GlobalAveragePool, float32.
let globalAveragePoolOperator = globalPool(opcode: 14, name: "GlobalAveragePool", isMean: true)

/// y[n, c, 1 …] = the largest of x[n, c, …], NaN where there is one. Input X [N, C, D1 … Dr]. ONNX
/// GlobalMaxPool, float32.
let globalMaxPoolOperator = globalPool(opcode: 15, name: "GlobalMaxPool", isMean: false)

private func globalPool(opcode: UInt16, name: StaticString, isMean: Bool) -> Operator {
  Operator(
    opcode: opcode, name: name, inputs: 1...1,
    infer: { (context) throws(ApusError) in
      try context.requireFloat32()
      try context.inferGlobalPool()
    },
    plan: { (context) throws(ApusError) in
      let shape = context.node.input(0).shape
      if context.node.outputs[0].shape.count == 0 { return }
      if context.isBlocked(0) {
        context.emit(
          BlockedGlobalPoolStep(
            context.kernels, isMean: isMean, ChannelBlocks(shape, context.kernels),
            x: context.blockedInput(0), y: context.output(0)),
          work: shape.count)
        return
      }
      context.emit(
        GlobalPoolStep(
          context.kernels, isMean: isMean, planes: shape[0] * shape[1],
          count: shape.product(2, shape.rank), x: context.input(0), y: context.output(0)),
        work: shape.count)
    },
    multiplyAccumulates: { $0.input(0).shape.count })
}

extension NodeContext {
  /// Sets the output: input 0 with 1 in place of its spatial axes.
  @inline(never)
  func inferGlobalPool() throws(ApusError) {
    try requireRank(0, 2...Shape.maximumRank)
    var shape = input(0).shape
    try require(
      shape.product(2, shape.rank) > 0 || shape[0] * shape[1] == 0,
      "the spatial axes of \(shape) hold nothing")
    for axis in 2..<shape.rank { shape[axis] = 1 }
    try setOutput(input(0).dataType, shape)
  }
}

private final class GlobalPoolStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let isMean: Bool
  private let planes: Int
  private let count: Int
  private let x: Slot
  private let y: Slot

  init(
    _ kernels: UnsafePointer<apus_kernels>, isMean: Bool, planes: Int, count: Int, x: Slot, y: Slot
  ) {
    self.kernels = kernels
    self.isMean = isMean
    self.planes = planes
    self.count = count
    self.x = x
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    let part = share.part(of: planes)
    var plane = part.lowerBound
    while plane < part.upperBound {
      let source = memory.floats(x) + plane * count
      let function = isMean ? APUS_REDUCE_SUM : APUS_REDUCE_MAX
      let result = kernels.pointee.reduce_row(function, source, count, 0)
      memory.mutableFloats(y)[plane] = isMean ? result / Float(count) : result
      plane += 1
    }
  }
}

/// From channel blocks; the result is plain.
private final class BlockedGlobalPoolStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let isMean: Bool
  private let blocks: ChannelBlocks
  private let x: Slot
  private let y: Slot

  init(
    _ kernels: UnsafePointer<apus_kernels>, isMean: Bool, _ blocks: ChannelBlocks, x: Slot, y: Slot
  ) {
    self.kernels = kernels
    self.isMean = isMean
    self.blocks = blocks
    self.x = x
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    let b = blocks
    for i in share.part(of: b.items * b.blocks) {
      let channel = i % b.blocks * b.width
      let lanes = min(b.width, b.channels - channel)
      let target = memory.mutableFloats(y) + (i / b.blocks * b.channels + channel)
      kernels.pointee.reduce_columns(
        isMean ? APUS_REDUCE_SUM : APUS_REDUCE_MAX, memory.floats(x) + i * b.blockStride,
        b.positions, b.width, lanes, nil, false, target)
      if !isMean { continue }
      for lane in 0..<lanes { target[lane] /= Float(b.positions) }
    }
  }
}
