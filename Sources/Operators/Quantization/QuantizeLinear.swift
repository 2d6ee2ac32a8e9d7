import CKernels
import ModelFormat

/// y = saturate(round(x / scale) + zero point), halves to even, in float32.
///
/// Inputs X (float32, or int32, which becomes float32 first), scale, zero point (optional): one for
/// the tensor, one for each index of `axis`, or in blocks. ONNX QuantizeLinear to int8 and uint8.
/// NaN becomes the smallest value, as in ONNX Runtime.
let quantizeLinearOperator = Operator(
  opcode: 260, name: "QuantizeLinear",
  attributes: [
    AttributeSpec("axis", .int), AttributeSpec("block_size", .int),
    AttributeSpec("output_dtype", .int), AttributeSpec("saturate", .int),
    AttributeSpec("precision", .int),
  ],
  inputs: 2...3,
  notes: "float32 and int32 to int8 and uint8.", scales: ScalePlaces(tensors: 0..<0, result: 1),
  infer: { (context) throws(ApusError) in
    let x = context.input(0)
    try context.require(
      x.dataType == .float32 || x.dataType == .int32, .invalidType,
      "input 0 must be float32 or int32 and is \(x.dataType)")
    _ = try QuantizationParameters(context)
    try context.require(
      context.int("precision", default: 0) <= 1, .unsupported,
      "precision is ONNX type \(context.int("precision", default: 0)); float32 is supported")
    let stated = try context.outputType()
    let type = context.optionalInput(2)?.dataType ?? stated ?? .uint8
    try context.require(
      (type == .int8 || type == .uint8) && (stated ?? type) == type, .invalidType,
      "the zero point is \(type); int8 or uint8 is wanted, as output_dtype says")
    try context.setOutput(type, x.shape)
  },
  plan: { (context) throws(ApusError) in
    let node = context.node
    context.emit(
      QuantizeStep(
        context.kernels, try QuantizationParameters(node), node.input(0).dataType,
        node.outputs[0].dataType, x: context.input(0), scale: context.input(1),
        zero: context.optionalInput(2), y: context.output(0)),
      work: node.outputs[0].shape.count)
  })

final class QuantizeStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let parameters: QuantizationParameters
  private let source: DataType
  private let type: DataType
  private let x: Slot
  private let scale: Slot
  private let zero: Slot?
  private let y: Slot

  init(
    _ kernels: UnsafePointer<apus_kernels>, _ parameters: QuantizationParameters,
    _ source: DataType, _ type: DataType, x: Slot, scale: Slot, zero: Slot?, y: Slot
  ) {
    self.kernels = kernels
    self.parameters = parameters
    self.source = source
    self.type = type
    self.x = x
    self.scale = scale
    self.zero = zero
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    let range = type.byteRange
    let y = memory[y].assumingMemoryBound(to: UInt8.self)
    let scales = memory.floats(scale)
    parameters.forEachRun(share.part(of: parameters.total, grain: 64)) { (first, count, index) in
      let zero = memory.integer(zero, index, type)
      let lower = Float(range.lower - zero)
      let upper = Float(range.upper - zero)
      if source == .float32 {
        kernels.pointee.quantize(
          memory.floats(x) + first, count, scales[index], zero, lower, upper, y + first)
        return
      }
      let integers = UnsafeRawPointer(memory[x])
      for i in first..<(first + count) {
        var value = Float(integers.integer(i, .int32))
        kernels.pointee.quantize(&value, 1, scales[index], zero, lower, upper, y + i)
      }
    }
  }
}
