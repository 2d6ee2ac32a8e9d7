import CKernels
import ModelFormat

// Activations: ONNX operators of the same names, float32 unless said otherwise. The formulas are in
// CKernels.h, error bounds in Kernels/Common/Exponential.swift.

/// y = max(x, 0); NaN stays NaN. ONNX Relu.
public let reluOperator = unaryOperator(
  1, "Relu", APUS_UNARY_RELU, .relu, .float32 + .signedIntegers,
  notes: "float32, int8, int32 and int64.")

/// y = x, or α·x below 0 (α = 0.01). ONNX LeakyRelu.
let leakyReluOperator = Operator(
  opcode: 30, name: "LeakyRelu", attributes: [AttributeSpec("alpha", .float)], inputs: 1...1,
  infer: { (context) throws(ApusError) in try context.inferUnary() },
  plan: { (context) throws(ApusError) in
    context.planUnary(APUS_UNARY_LEAKY_RELU, a: context.node.float("alpha", default: 0.01))
  })

/// y = x, or α·(e^x − 1) below 0 (α = 1). ONNX Elu; Clevert et al. 2015.
let eluOperator = Operator(
  opcode: 32, name: "Elu", attributes: [AttributeSpec("alpha", .float)], inputs: 1...1,
  infer: { (context) throws(ApusError) in try context.inferUnary() },
  plan: { (context) throws(ApusError) in
    context.planUnary(
      APUS_UNARY_ELU, a: context.node.float("alpha", default: 1), b: 1, cost: 10)
  })

/// y = γ·x, or γ·α·(e^x − 1) below 0. ONNX Selu; Klambauer et al. 2017.
let seluOperator = Operator(
  opcode: 33, name: "Selu",
  attributes: [AttributeSpec("alpha", .float), AttributeSpec("gamma", .float)], inputs: 1...1,
  infer: { (context) throws(ApusError) in try context.inferUnary() },
  plan: { (context) throws(ApusError) in
    context.planUnary(
      APUS_UNARY_SELU, a: context.node.float("alpha", default: 1.673_263_2),
      b: context.node.float("gamma", default: 1.050_701), cost: 10)
  })

/// y = x, or α·(e^(x/α) − 1) below 0 (α = 1). ONNX Celu; Barron 2017.
let celuOperator = Operator(
  opcode: 34, name: "Celu", attributes: [AttributeSpec("alpha", .float)], inputs: 1...1,
  infer: { (context) throws(ApusError) in
    try context.inferUnary()
    try context.require(
      context.float("alpha", default: 1) != 0, .invalidModel, "alpha is 0; it divides")
  },
  plan: { (context) throws(ApusError) in
    let alpha = context.node.float("alpha", default: 1)
    context.planUnary(APUS_UNARY_ELU, a: alpha, b: 1 / alpha, cost: 10)
  })

/// y = x where x > α (α = 1), else 0. ONNX ThresholdedRelu.
let thresholdedReluOperator = Operator(
  opcode: 35, name: "ThresholdedRelu", attributes: [AttributeSpec("alpha", .float)],
  inputs: 1...1,
  infer: { (context) throws(ApusError) in try context.inferUnary() },
  plan: { (context) throws(ApusError) in
    context.planUnary(APUS_UNARY_THRESHOLD, a: context.node.float("alpha", default: 1))
  })

/// y = x + bias below −λ, x − bias above λ, else 0 (bias = 0, λ = ½). ONNX Shrink. Integers are
/// computed in float32 and lose their fraction.
let shrinkOperator = Operator(
  opcode: 178, name: "Shrink",
  attributes: [AttributeSpec("bias", .float), AttributeSpec("lambd", .float)], inputs: 1...1,
  notes: "float32 and any integer type.",
  infer: { (context) throws(ApusError) in
    try context.requireTypes(0, .numbers)
    try context.setOutput(context.input(0).dataType, context.input(0).shape)
  },
  plan: { (context) throws(ApusError) in
    let lambda = context.node.float("lambd", default: 0.5)
    let bias = context.node.float("bias", default: 0)
    let x = context.node.input(0)
    if x.dataType == .float32 {
      context.planUnary(APUS_UNARY_SHRINK, a: lambda, b: bias)
      return
    }
    let n = x.shape.count
    let real = context.scratch(byteCount: max(4, n * 4))
    context.emitCast(from: context.input(0), x.dataType, to: real, .float32, n)
    context.emitUnary(APUS_UNARY_SHRINK, from: real, to: real, ElementSplit(n), a: lambda, b: bias)
    context.emitCast(from: real, .float32, to: context.output(0), x.dataType, n)
  })

/// y = min(max(α·x + β, 0), 1) with α = 0.2, β = 0.5. ONNX HardSigmoid.
let hardSigmoidOperator = Operator(
  opcode: 37, name: "HardSigmoid",
  attributes: [AttributeSpec("alpha", .float), AttributeSpec("beta", .float)], inputs: 1...1,
  infer: { (context) throws(ApusError) in try context.inferUnary() },
  plan: { (context) throws(ApusError) in
    context.planUnary(
      APUS_UNARY_HARD_SIGMOID, a: context.node.float("alpha", default: 0.2),
      b: context.node.float("beta", default: 0.5))
  })

/// y = ½x·(1 + erf(x/√2)), or with approximate = "tanh" the form in tanh. ONNX Gelu; Hendrycks and
/// Gimpel 2016.
let geluOperator = Operator(
  opcode: 41, name: "Gelu", attributes: [AttributeSpec("approximate", .string)], inputs: 1...1,
  infer: { (context) throws(ApusError) in
    try context.inferUnary()
    if let form = context.string("approximate") {
      try context.require(
        form == Name("none") || form == Name("tanh"), .invalidModel,
        "approximate is \"\(form)\"; it may be \"none\" or \"tanh\"")
    }
  },
  plan: { (context) throws(ApusError) in
    let isTanh = context.node.string("approximate").map { $0 == Name("tanh") } ?? false
    context.planUnary(isTanh ? APUS_UNARY_GELU_TANH : APUS_UNARY_GELU_ERF, cost: 16)
  })

/// y = x·sigmoid(α·x) (α = 1). ONNX Swish; Ramachandran et al. 2017.
let swishOperator = Operator(
  opcode: 44, name: "Swish", attributes: [AttributeSpec("alpha", .float)], inputs: 1...1,
  infer: { (context) throws(ApusError) in try context.inferUnary() },
  plan: { (context) throws(ApusError) in
    context.planUnary(APUS_UNARY_SWISH, a: context.node.float("alpha", default: 1), cost: 12)
  })

/// y = 1/(1 + e^−x). ONNX Sigmoid.
let sigmoidOperator = unaryOperator(36, "Sigmoid", APUS_UNARY_SIGMOID, cost: 12)
/// ONNX Tanh.
let tanhOperator = unaryOperator(38, "Tanh", APUS_UNARY_TANH, cost: 12)
/// y = log(1 + e^x). ONNX Softplus.
let softplusOperator = unaryOperator(39, "Softplus", APUS_UNARY_SOFTPLUS, cost: 20)
/// y = x/(1 + |x|). ONNX Softsign.
let softsignOperator = unaryOperator(40, "Softsign", APUS_UNARY_SOFTSIGN, cost: 4)
/// y = x·min(max(x/6 + ½, 0), 1). ONNX HardSwish; Howard et al. 2019.
let hardSwishOperator = unaryOperator(42, "HardSwish", APUS_UNARY_HARD_SWISH)
/// y = x·tanh(log(1 + e^x)). ONNX Mish; Misra 2019.
let mishOperator = unaryOperator(43, "Mish", APUS_UNARY_MISH, cost: 12)
