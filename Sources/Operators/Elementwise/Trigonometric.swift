import CSystem
import ModelFormat

// Trigonometric and hyperbolic functions, float32: ONNX operators of the same names. By libm: sine
// and cosine in float32, the others in double precision and rounded once, so that they are within
// 0.501 ulp with any libm. Right for arguments of any size.

/// ONNX Sin.
let sinOperator = trigonometricOperator(61, "Sin", .sin)
/// ONNX Cos.
let cosOperator = trigonometricOperator(62, "Cos", .cos)
/// ONNX Tan.
let tanOperator = trigonometricOperator(172, "Tan", .tan)
/// ONNX Asin; NaN beyond ±1.
let asinOperator = trigonometricOperator(173, "Asin", .asin)
/// ONNX Acos; NaN beyond ±1.
let acosOperator = trigonometricOperator(174, "Acos", .acos)
/// ONNX Atan.
let atanOperator = trigonometricOperator(175, "Atan", .atan)
/// ONNX Sinh.
let sinhOperator = trigonometricOperator(176, "Sinh", .sinh)
/// ONNX Cosh.
let coshOperator = trigonometricOperator(177, "Cosh", .cosh)
/// ONNX Asinh.
let asinhOperator = trigonometricOperator(205, "Asinh", .asinh)
/// ONNX Acosh; NaN below 1.
let acoshOperator = trigonometricOperator(206, "Acosh", .acosh)
/// ONNX Atanh; NaN beyond ±1.
let atanhOperator = trigonometricOperator(207, "Atanh", .atanh)

private func trigonometricOperator(
  _ opcode: UInt16, _ name: StaticString, _ function: TrigonometricFunction
) -> Operator {
  Operator(
    opcode: opcode, name: name, inputs: 1...1,
    infer: { (context) throws(ApusError) in try context.inferUnary() },
    plan: { (context) throws(ApusError) in
      context.allowInPlace(input: 0, output: 0)
      let n = context.node.outputs[0].shape.count
      context.emit(
        TrigonometricStep(function, context.input(0), context.output(0), n), work: n * 20)
    })
}

private enum TrigonometricFunction {
  case sin, cos, tan, asin, acos, atan, sinh, cosh, asinh, acosh, atanh
}

private final class TrigonometricStep: Step {
  let function: TrigonometricFunction
  let x: Slot
  let y: Slot
  let count: Int

  init(_ function: TrigonometricFunction, _ x: Slot, _ y: Slot, _ count: Int) {
    self.function = function
    self.x = x
    self.y = y
    self.count = count
  }

  override func run(_ memory: Memory, _ share: Share) {
    let x = memory.floats(x)
    let y = memory.mutableFloats(y)
    for i in share.part(of: count, grain: 64) { y[i] = apply(x[i]) }
  }

  @inline(__always) private func apply(_ x: Float) -> Float {
    switch function {
    case .sin: return sinf(x)
    case .cos: return cosf(x)
    case .tan: return Float(tan(Double(x)))
    case .asin: return Float(asin(Double(x)))
    case .acos: return Float(acos(Double(x)))
    case .atan: return Float(atan(Double(x)))
    case .sinh: return Float(sinh(Double(x)))
    case .cosh: return Float(cosh(Double(x)))
    case .asinh: return Float(asinh(Double(x)))
    case .acosh: return Float(acosh(Double(x)))
    case .atanh: return Float(atanh(Double(x)))
    }
  }
}
