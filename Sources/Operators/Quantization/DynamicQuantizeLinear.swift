import CKernels
import ModelFormat

/// uint8 with the scale and the zero point that just hold the input and 0:
///
///     scale = (max(x, 0) − min(x, 0)) / 255        1 where that is 0, as in ONNX Runtime
///     zero point = round(clip(−min(x, 0) / scale, 0, 255))
///     y = saturate(round(x / scale) + zero point)
///
/// Halves to even. ONNX DynamicQuantizeLinear. An input that holds NaN has no range: scale 1, zero
/// point 0, whereas ONNX Runtime's depend on where the NaN stands.
let dynamicQuantizeLinearOperator = Operator(
  opcode: 262, name: "DynamicQuantizeLinear", inputs: 1...1, outputs: 3...3,
  infer: { (context) throws(ApusError) in
    try context.requireFloat32()
    try context.setOutput(.uint8, context.input(0).shape)
    try context.setOutput(.float32, Shape())
    try context.setOutput(.uint8, Shape())
  },
  plan: { (context) throws(ApusError) in
    let count = context.node.input(0).shape.count
    let scale = context.output(1)
    let zero = context.output(2)
    context.emit(
      RangeStep(context.kernels, count, x: context.input(0), scale: scale, zero: zero), work: 0)
    context.emit(
      QuantizeStep(
        context.kernels, QuantizationParameters(total: count), .float32, .uint8,
        x: context.input(0), scale: scale, zero: zero, y: context.output(0)),
      work: count)
  })

extension QuantizationParameters {
  /// One for all.
  init(total: Int) { self.total = total }
}

extension apus_kernels {
  /// Scale and zero point, 0 to 255. The scale is NaN where one of the numbers is.
  func quantization(of x: UnsafePointer<Float>, _ count: Int) -> (scale: Float, zero: Int) {
    var lower = reduce_row(Int(APUS_REDUCE_MIN), x, count, 0)
    var upper = reduce_row(Int(APUS_REDUCE_MAX), x, count, 0)
    if upper.isNaN { return (upper, 0) }
    if !(lower < 0) { lower = 0 }
    if !(upper > 0) { upper = 0 }
    let step = upper == lower ? 1 : (upper - lower) / 255
    var point = (0 - lower) / step
    // 1.5 · 2^23: the sum's last place is 1.
    point = point > 0 ? (min(point, 255) + 12_582_912) - 12_582_912 : 0
    return (step, Int(point))
  }
}

/// Scale and zero point.
private final class RangeStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let count: Int
  private let x: Slot
  private let scale: Slot
  private let zero: Slot

  init(
    _ kernels: UnsafePointer<apus_kernels>, _ count: Int, x: Slot, scale: Slot, zero: Slot
  ) {
    self.kernels = kernels
    self.count = count
    self.x = x
    self.scale = scale
    self.zero = zero
  }

  override func run(_ memory: Memory, _ share: Share) {
    let (step, point) = kernels.pointee.quantization(of: memory.floats(x), count)
    memory.mutableFloats(scale)[0] = step.isNaN ? 1 : step
    memory[zero].storeBytes(of: UInt8(truncatingIfNeeded: point), as: UInt8.self)
  }
}
