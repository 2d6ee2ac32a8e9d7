import CKernels
import ModelFormat

/// y[n, c, o] = the mean of x[n, c, o · stride + k · dilation − pad] over the kernel positions k
/// that lie inside the input; with count_include_pad the padding counts as zeros (but not what
/// ceil_mode adds behind it).
///
/// Input X [N, C, D1 … Dr], 1 ≤ r ≤ 3. ONNX AveragePool, float32.
let averagePoolOperator = Operator(
  opcode: 13, name: "AveragePool",
  attributes: averagePoolAttributes(),
  inputs: 1...1,
  notes: "1 to 3 spatial axes, float32.",
  infer: { (context) throws(ApusError) in
    try context.requireFloat32()
    let geometry = try poolGeometry(context)
    let x = context.input(0).shape
    try context.setOutput(.float32, geometry.outputShape(batch: x[0], channels: x[1]))
  },
  plan: { (context) throws(ApusError) in
    let node = context.node
    if node.outputs[0].shape.count == 0 { return }
    let geometry = try poolGeometry(node)
    let includesPadding = node.int("count_include_pad", default: 0) != 0
    if context.isBlocked(0) {
      let pool = PoolPlan(geometry, ChannelBlocks(node.input(0).shape, context.kernels))
      context.emit(
        AveragePoolStep(
          context.kernels.pointee.blocked_average_pool, pool, includesPadding: includesPadding,
          x: context.blockedInput(0), y: context.blockedOutput(0)),
        work: poolMultiplyAccumulates(node))
      return
    }
    context.emit(
      AveragePoolStep(
        context.kernels.pointee.average_pool, PoolPlan(geometry, node.input(0).shape),
        includesPadding: includesPadding, x: context.input(0), y: context.output(0)),
      work: poolMultiplyAccumulates(node))
  },
  multiplyAccumulates: poolMultiplyAccumulates)

@inline(never)
func averagePoolAttributes() -> [AttributeSpec] {
  [
    AttributeSpec("auto_pad", .string), AttributeSpec("ceil_mode", .int),
    AttributeSpec("count_include_pad", .int), AttributeSpec("dilations", .ints),
    AttributeSpec("kernel_shape", .ints), AttributeSpec("pads", .ints),
    AttributeSpec("strides", .ints),
  ]
}

private final class AveragePoolStep: Step {
  typealias Kernel = @convention(c) (
    UnsafePointer<apus_window>?, Bool, UnsafePointer<Float>?, UnsafeMutablePointer<Float>?, Int, Int
  ) -> Void

  private let kernel: Kernel
  private let pool: PoolPlan
  private let includesPadding: Bool
  private let x: Slot
  private let y: Slot

  init(
    _ kernel: @escaping Kernel, _ pool: PoolPlan, includesPadding: Bool, x: Slot, y: Slot
  ) {
    self.kernel = kernel
    self.pool = pool
    self.includesPadding = includesPadding
    self.x = x
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    var window = pool.window
    pool.split.forEach(share) { (plane, firstRow, endRow) in
      kernel(
        &window, includesPadding, memory.floats(x) + plane * pool.inputCount,
        memory.mutableFloats(y) + plane * pool.outputCount, firstRow, endRow)
    }
  }
}
