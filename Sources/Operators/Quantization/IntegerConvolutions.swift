import CKernels
import ModelFormat

private var attributes: [AttributeSpec] {
  [
    AttributeSpec("auto_pad", .string), AttributeSpec("dilations", .ints),
    AttributeSpec("group", .int), AttributeSpec("kernel_shape", .ints),
    AttributeSpec("pads", .ints), AttributeSpec("strides", .ints),
  ]
}

/// y = Σ (w − w zero point) · (x − x zero point) under the window of a convolution, in int32.
///
/// Inputs X [N, C, D1 … Dr], W [M, C/group, k1 … kr], X's zero point, W's (a number, or [M]), both
/// optional; X and W int8 or uint8, 1 ≤ r ≤ 3. ONNX ConvInteger; sums wrap around.
let convIntegerOperator = Operator(
  opcode: 265, name: "ConvInteger", attributes: attributes, inputs: 2...4,
  notes: "1 to 3 spatial axes.",
  infer: { (context) throws(ApusError) in
    try inferIntegerConv(context, ConvInputs.integer, .int32)
  },
  plan: { (context) throws(ApusError) in try planIntegerConv(context, ConvInputs.integer) },
  multiplyAccumulates: { convMultiplyAccumulates($0, weights: 1) })

/// The same requantised: y = saturate(round((sum + b) · (x scale · w scale / y scale)) + y zero
/// point), in float32, halves to even.
///
/// Inputs X, its scale and zero point, W, its scales and zero points (a number each, or [M]), Y's
/// scale and zero point, B (int32 [M], optional). ONNX QLinearConv; the bits are ONNX Runtime's.
public let qLinearConvOperator = Operator(
  opcode: 266, name: "QLinearConv", attributes: attributes, inputs: 8...9,
  notes: "1 to 3 spatial axes.", scales: ScalePlaces(tensors: 0..<6, result: 6),
  infer: { (context) throws(ApusError) in
    try context.requireBytes(7, zero: 7)
    try context.requireType(6, .float32)
    try context.requireType(8, .int32)
    for i in 6...7 {
      try context.require(
        context.input(i).shape.count == 1, "input \(i) must be a single number")
    }
    try inferIntegerConv(context, ConvInputs.quantized, context.input(7).dataType)
  },
  plan: { (context) throws(ApusError) in try planIntegerConv(context, ConvInputs.quantized) },
  multiplyAccumulates: { convMultiplyAccumulates($0, weights: 3) })

/// Which inputs are what.
private struct ConvInputs {
  let x: IntegerOperand
  let weights: IntegerOperand
  /// An input that no node has stands for none.
  let bias: Int
  let result: (scale: Int, zero: Int)?

  static var integer: ConvInputs {
    ConvInputs(
      x: IntegerOperand(tensor: 0, scale: nil, zero: 2),
      weights: IntegerOperand(tensor: 1, scale: nil, zero: 3), bias: 4, result: nil)
  }

  static var quantized: ConvInputs {
    ConvInputs(
      x: IntegerOperand(tensor: 0, scale: 1, zero: 2),
      weights: IntegerOperand(tensor: 3, scale: 4, zero: 5), bias: 8, result: (6, 7))
  }
}

private func inferIntegerConv(
  _ context: NodeContext, _ inputs: ConvInputs, _ type: DataType
) throws(ApusError) {
  try inputs.x.check(context)
  try inputs.weights.check(context)
  let geometry = try convGeometry(context, weights: inputs.weights.tensor, bias: inputs.bias)
  let rows = context.input(inputs.weights.tensor).shape[0]
  try inputs.x.checkParameters(context, Shape(1), Shape())
  try inputs.weights.checkParameters(context, Shape(rows), Shape(rows))
  try context.setOutput(
    type, geometry.outputShape(batch: context.input(0).shape[0], channels: rows))
}

private func planIntegerConv(
  _ context: PlanContext, _ inputs: ConvInputs
) throws(ApusError) {
  let node = context.node
  if node.outputs[0].shape.count == 0 { return }
  let geometry = try convGeometry(node, weights: inputs.weights.tensor, bias: inputs.bias)
  let weights = node.input(inputs.weights.tensor).shape
  let groups = node.int("group", default: 1)
  let batch = node.input(0).shape[0]
  if let result = inputs.result,
    context.planByteConvolution(
      geometry, groups: groups, rows: weights[0], x: inputs.x, weights: inputs.weights,
      strides: (weights[1] * geometry.kernelCount, geometry.kernelCount), bias: inputs.bias,
      result: result)
  {
    return
  }
  let pass = ConvolutionPass.convolution(
    nil, geometry, channels: weights[1], rows: weights[0] / groups, Activation.none)
  context.planIntegerProduct(
    IntegerProduct(
      context, pass, inputs.weights, inputs.x, rowSets: groups, columnSets: batch * groups,
      items: batch * groups),
    inputs.weights, inputs.x, bias: inputs.bias, result: inputs.result)
}
