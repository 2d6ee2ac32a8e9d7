import CKernels
import ModelFormat

/// Local response normalisation across the channels of x [N, C, …]:
///
///     y[c] = x[c] / (bias + alpha/size · Σk x[k]²)^beta,
///     max(0, c − ⌊(size − 1)/2⌋) ≤ k ≤ min(C − 1, c + ⌈(size − 1)/2⌉)
///
/// ONNX LRN, float32; Krizhevsky, Sutskever, Hinton 2012 (whose alpha is alpha/size here).
let lrnOperator = Operator(
  opcode: 91, name: "LRN",
  attributes: [
    AttributeSpec("alpha", .float), AttributeSpec("beta", .float), AttributeSpec("bias", .float),
    AttributeSpec("size", .int),
  ],
  inputs: 1...1,
  infer: { (context) throws(ApusError) in
    try context.requireFloat32()
    try context.requireRank(0, 2...8)
    let size = context.int("size", default: 0)
    try context.require(
      size >= 1 && size <= 1 << 31, .invalidModel, "size is \(size); it must be at least 1")
    try context.setOutput(.float32, context.input(0).shape)
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0).shape
    if x.count == 0 { return }
    let size = context.node.int("size", default: 1)
    context.emit(
      LocalResponseStep(context, x, size), work: x.count * (min(size, x[1]) + 8))
  })

private final class LocalResponseStep: Step {
  let kernels: UnsafePointer<apus_kernels>
  let samples: Int
  let channels: Int
  let columns: Int
  let size: Int
  let alpha: Float
  let beta: Float
  let bias: Float
  let x: Slot
  let y: Slot

  init(_ context: PlanContext, _ shape: Shape, _ size: Int) {
    kernels = context.kernels
    samples = shape[0]
    channels = shape[1]
    columns = shape.product(2, shape.rank)
    self.size = size
    alpha = context.node.float("alpha", default: 1e-4) / Float(size)
    beta = context.node.float("beta", default: 0.75)
    bias = context.node.float("bias", default: 1)
    x = context.input(0)
    y = context.output(0)
  }

  override func run(_ memory: Memory, _ share: Share) {
    let x = memory.floats(x)
    let y = memory.mutableFloats(y)
    forEachColumnRun(share.part(of: samples &* columns, grain: 16), columns: columns) {
      sample, column, n in
      let offset = sample &* channels &* columns &+ column
      kernels.pointee.local_response(
        x + offset, y + offset, channels, columns, n, (size &- 1) / 2, size / 2, alpha, beta, bias)
    }
  }
}
