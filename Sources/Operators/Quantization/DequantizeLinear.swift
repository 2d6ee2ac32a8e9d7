import CKernels
import ModelFormat

/// y = (x − zero point) · scale.
///
/// Inputs X (int8, uint8, int32), scale (float32), zero point (optional, of X's type): one for the
/// tensor, one for each index of `axis`, or in blocks. ONNX DequantizeLinear to float32.
let dequantizeLinearOperator = Operator(
  opcode: 261, name: "DequantizeLinear",
  attributes: [
    AttributeSpec("axis", .int), AttributeSpec("block_size", .int),
    AttributeSpec("output_dtype", .int),
  ],
  inputs: 2...3,
  notes: "int8, uint8 and int32 to float32.", scales: ScalePlaces(tensors: 0..<1),
  infer: { (context) throws(ApusError) in
    let x = context.input(0)
    if x.dataType != .int32 { try context.requireBytes(0, zero: 2) }
    try context.requireType(2, x.dataType)
    _ = try QuantizationParameters(context)
    try context.require(
      (try context.outputType() ?? .float32) == .float32, .unsupported,
      "output_dtype must be float32")
    try context.setOutput(.float32, x.shape)
  },
  plan: { (context) throws(ApusError) in
    let node = context.node
    context.emit(
      DequantizeStep(
        context.kernels, try QuantizationParameters(node), node.input(0).dataType,
        x: context.input(0), scale: context.input(1), zero: context.optionalInput(2),
        y: context.output(0)),
      work: node.outputs[0].shape.count)
  })

private final class DequantizeStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let parameters: QuantizationParameters
  private let type: DataType
  private let x: Slot
  private let scale: Slot
  private let zero: Slot?
  private let y: Slot

  init(
    _ kernels: UnsafePointer<apus_kernels>, _ parameters: QuantizationParameters,
    _ type: DataType, x: Slot, scale: Slot, zero: Slot?, y: Slot
  ) {
    self.kernels = kernels
    self.parameters = parameters
    self.type = type
    self.x = x
    self.scale = scale
    self.zero = zero
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    let x = UnsafeRawPointer(memory[x])
    let y = memory.mutableFloats(y)
    let scales = memory.floats(scale)
    parameters.forEachRun(share.part(of: parameters.total, grain: 64)) { (first, count, index) in
      let zero = memory.integer(zero, index, type)
      if type == .int32 {
        for i in first..<(first + count) {
          y[i] = Float(x.integer(i, type) &- zero) * scales[index]
        }
      } else {
        kernels.pointee.dequantize(
          (x + first).assumingMemoryBound(to: UInt8.self), count, Int(type.flip),
          zero + Int32(type.flip), scales[index], y + first)
      }
    }
  }
}
