import CKernels
import ModelFormat

/// y[n, c, o] = the largest x[n, c, o · stride + k · dilation − pad] over the kernel positions k
/// that lie inside the input.
///
/// Input X [N, C, D1 … Dr], 1 ≤ r ≤ 3. Output 1 (optional), int64: where the largest element lies
/// in the whole of X; the first of equals. With storage_order 1 the positions of a plane are counted
/// with the first spatial axis fastest. ONNX MaxPool, float32, int8 and uint8.
let maxPoolOperator = Operator(
  opcode: 12, name: "MaxPool",
  attributes: [
    AttributeSpec("auto_pad", .string), AttributeSpec("ceil_mode", .int),
    AttributeSpec("dilations", .ints), AttributeSpec("kernel_shape", .ints),
    AttributeSpec("pads", .ints), AttributeSpec("storage_order", .int),
    AttributeSpec("strides", .ints),
  ],
  inputs: 1...1, outputs: 1...2,
  notes: "1 to 3 spatial axes. NaN never is the largest.",
  infer: { (context) throws(ApusError) in
    let type = context.input(0).dataType
    try context.require(
      type == .float32 || type == .int8 || type == .uint8, .invalidType,
      "input 0 must be float32, int8 or uint8 and is \(type)")
    let geometry = try poolGeometry(context)
    let x = context.input(0).shape
    let shape = geometry.outputShape(batch: x[0], channels: x[1])
    try context.setOutput(type, shape)
    if context.outputCount > 1 { try context.setOutput(.int64, shape) }
  },
  plan: { (context) throws(ApusError) in
    let node = context.node
    if node.outputs[0].shape.count == 0 { return }
    let geometry = try poolGeometry(node)
    if context.isBlocked(0), !node.wantsOutput(1) {
      let pool = PoolPlan(geometry, ChannelBlocks(node.input(0).shape, context.kernels))
      context.emit(
        MaxPoolStep(
          context.kernels.pointee.blocked_max_pool, pool, x: context.blockedInput(0),
          y: context.blockedOutput(0)), work: poolMultiplyAccumulates(node))
      return
    }
    if context.planByteMaxPool(geometry) { return }
    let pool = PoolPlan(geometry, node.input(0).shape)
    let x = context.input(0)
    let indices = context.optionalOutput(1)
    let isColumnMajor = node.int("storage_order", default: 0) != 0
    let work = poolMultiplyAccumulates(node)
    let type = node.input(0).dataType
    var y = context.optionalOutput(0)
    if type == .float32, let values = y {
      context.emit(
        MaxPoolStep(context.kernels.pointee.max_pool, pool, x: x, y: values), work: work)
      y = nil
    }
    if y != nil || indices != nil {
      context.emit(
        MaxPoolIndicesStep(type, pool, x: x, y: y, indices: indices, isColumnMajor), work: work)
    }
  },
  multiplyAccumulates: poolMultiplyAccumulates)

/// The geometry of a pooling node, with its checks.
func poolGeometry(_ context: NodeContext) throws(ApusError) -> SpatialGeometry {
  var geometry = try SpatialGeometry(context, kernel: nil)
  let count = geometry.kernel[0].multipliedReportingOverflow(by: geometry.kernel[1])
  let total = count.partialValue.multipliedReportingOverflow(by: geometry.kernel[2])
  try context.require(
    !count.overflow && !total.overflow && total.partialValue <= 1 << 20, .unsupported,
    "a pooling window of \(total.partialValue) elements; at most 1048576 are supported")
  try geometry.slide(context, roundsUp: context.int("ceil_mode", default: 0) != 0)
  for axis in 0..<3 {
    let largest = max(geometry.padBegin[axis], geometry.padEnd[axis])
    try context.require(
      largest < geometry.extent(axis),
      "a pad of \(largest) leaves windows of \(geometry.extent(axis)) elements that hold nothing")
  }
  return geometry
}

/// Elements that a pooling node looks at.
func poolMultiplyAccumulates(_ node: NodeContext) -> Int {
  var n = node.outputs[0].shape.count
  for k in node.ints("kernel_shape") ?? [] {
    let (product, overflow) = n.multipliedReportingOverflow(by: k)
    if overflow { return Int.max }
    n = product
  }
  return n
}

/// What every pooling step knows.
struct PoolPlan {
  let window: apus_window
  let split: PlaneSplit
  let inputCount: Int
  let outputCount: Int

  init(_ geometry: SpatialGeometry, _ x: Shape) {
    window = geometry.window
    split = PlaneSplit(planes: x[0] * x[1], rows: geometry.output[0] * geometry.output[1])
    inputCount = geometry.inputCount
    outputCount = geometry.outputCount
  }

  /// For an input in channel blocks: what counts as a plane is a block.
  init(_ geometry: SpatialGeometry, _ x: ChannelBlocks) {
    window = geometry.window
    split = PlaneSplit(x, rows: geometry.output[0] * geometry.output[1])
    inputCount = geometry.inputCount * x.width
    outputCount = geometry.outputCount * x.width
  }
}

private final class MaxPoolStep: Step {
  typealias Kernel = @convention(c) (
    UnsafePointer<apus_window>?, UnsafePointer<Float>?, UnsafeMutablePointer<Float>?, Int, Int
  ) -> Void

  private let kernel: Kernel
  private let pool: PoolPlan
  private let x: Slot
  private let y: Slot

  init(_ kernel: @escaping Kernel, _ pool: PoolPlan, x: Slot, y: Slot) {
    self.kernel = kernel
    self.pool = pool
    self.x = x
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    var window = pool.window
    pool.split.forEach(share) { (plane, firstRow, endRow) in
      kernel(
        &window, memory.floats(x) + plane * pool.inputCount,
        memory.mutableFloats(y) + plane * pool.outputCount, firstRow, endRow)
    }
  }
}
