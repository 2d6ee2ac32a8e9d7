import CKernels
import ModelFormat

/// y = max(x, 0). ONNX Relu, float32.
let reluOperator = Operator(
  opcode: 1, name: "Relu", inputs: 1...1,
  infer: { (context) throws(ApusError) in
    try context.requireFloat32()
    try context.setOutput(.float32, context.input(0).shape)
  },
  plan: { (context) throws(ApusError) in
    context.allowInPlace(input: 0, output: 0)
    let n = context.node.input(0).shape.count
    context.emit(
      ReluStep(context.kernels.pointee.relu, context.input(0), context.output(0), n), work: n)
  })

private final class ReluStep: Step {
  let kernel: @convention(c) (UnsafePointer<Float>?, UnsafeMutablePointer<Float>?, Int) -> Void
  let x: Slot
  let y: Slot
  let count: Int

  init(
    _ kernel: @escaping @convention(c) (UnsafePointer<Float>?, UnsafeMutablePointer<Float>?, Int) ->
      Void, _ x: Slot, _ y: Slot, _ count: Int
  ) {
    self.kernel = kernel
    self.x = x
    self.y = y
    self.count = count
  }

  override func run(_ memory: Memory, _ share: Share) {
    let part = share.part(of: count, grain: 64)
    kernel(
      memory.floats(x) + part.lowerBound, memory.mutableFloats(y) + part.lowerBound, part.count)
  }
}
