import CKernels
import CSystem
import ModelFormat

// Functions of one argument, float32: ONNX operators of the same names. Error bounds are in
// Kernels/Common/Exponential.swift.

/// y = e^x. ONNX Exp.
let expOperator = unaryOperator(50, "Exp", APUS_UNARY_EXP, cost: 8)
/// The natural logarithm. ONNX Log.
let logOperator = unaryOperator(51, "Log", APUS_UNARY_LOG, cost: 10)
/// ONNX Sqrt, correctly rounded.
let sqrtOperator = unaryOperator(52, "Sqrt", APUS_UNARY_SQRT, cost: 4)
/// y = 1/x. ONNX Reciprocal, correctly rounded.
let reciprocalOperator = unaryOperator(53, "Reciprocal", APUS_UNARY_RECIPROCAL, cost: 4)
/// ONNX Abs.
let absOperator = unaryOperator(54, "Abs", APUS_UNARY_ABS)
/// y = −x. ONNX Neg.
let negOperator = unaryOperator(55, "Neg", APUS_UNARY_NEG)
/// −1, 0 or 1; NaN stays NaN. ONNX Sign.
let signOperator = unaryOperator(56, "Sign", APUS_UNARY_SIGN)
/// The integer at or below. ONNX Floor.
let floorOperator = unaryOperator(57, "Floor", APUS_UNARY_FLOOR)
/// The integer at or above. ONNX Ceil.
let ceilOperator = unaryOperator(58, "Ceil", APUS_UNARY_CEIL)
/// The nearest integer, halves to the even one. ONNX Round.
let roundOperator = unaryOperator(59, "Round", APUS_UNARY_ROUND)
/// The error function 2/√π·∫₀ˣ e^(−t²) dt. ONNX Erf.
let erfOperator = unaryOperator(60, "Erf", APUS_UNARY_ERF, cost: 16)

/// ONNX Sin, by libm: right for arguments of any size.
let sinOperator = Operator(
  opcode: 61, name: "Sin", inputs: 1...1,
  infer: { (context) throws(ApusError) in try context.inferUnary() },
  plan: { (context) throws(ApusError) in context.planTrigonometric(isSine: true) })

/// ONNX Cos, by libm.
let cosOperator = Operator(
  opcode: 62, name: "Cos", inputs: 1...1,
  infer: { (context) throws(ApusError) in try context.inferUnary() },
  plan: { (context) throws(ApusError) in context.planTrigonometric(isSine: false) })

extension PlanContext {
  fileprivate func planTrigonometric(isSine: Bool) {
    allowInPlace(input: 0, output: 0)
    let n = node.outputs[0].shape.count
    emit(TrigonometricStep(isSine, input(0), output(0), n), work: n * 20)
  }
}

private final class TrigonometricStep: Step {
  let isSine: Bool
  let x: Slot
  let y: Slot
  let count: Int

  init(_ isSine: Bool, _ x: Slot, _ y: Slot, _ count: Int) {
    self.isSine = isSine
    self.x = x
    self.y = y
    self.count = count
  }

  override func run(_ memory: Memory, _ share: Share) {
    let part = share.part(of: count, grain: 64)
    let x = memory.floats(x)
    let y = memory.mutableFloats(y)
    var i = part.lowerBound
    while i < part.upperBound {
      y[i] = isSine ? sinf(x[i]) : cosf(x[i])
      i &+= 1
    }
  }
}
