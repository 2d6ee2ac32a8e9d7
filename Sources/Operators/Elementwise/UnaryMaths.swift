import CKernels
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
/// ONNX Abs; the smallest integer stays what it is.
let absOperator = unaryOperator(
  54, "Abs", APUS_UNARY_ABS, .abs, .numbers, notes: "float32 and any integer type.")
/// y = −x. ONNX Neg.
let negOperator = unaryOperator(
  55, "Neg", APUS_UNARY_NEG, .neg, .float32 + .signedIntegers,
  notes: "float32, int8, int32 and int64.")
/// −1, 0 or 1; NaN stays NaN. ONNX Sign.
let signOperator = unaryOperator(
  56, "Sign", APUS_UNARY_SIGN, .sign, .numbers, notes: "float32 and any integer type.")
/// The integer at or below. ONNX Floor.
let floorOperator = unaryOperator(57, "Floor", APUS_UNARY_FLOOR)
/// The integer at or above. ONNX Ceil.
let ceilOperator = unaryOperator(58, "Ceil", APUS_UNARY_CEIL)
/// The nearest integer, halves to the even one. ONNX Round.
let roundOperator = unaryOperator(59, "Round", APUS_UNARY_ROUND)
/// The error function 2/√π·∫₀ˣ e^(−t²) dt. ONNX Erf.
let erfOperator = unaryOperator(60, "Erf", APUS_UNARY_ERF, cost: 16)
