import CKernels
import ModelFormat

/// Y = (A − a zero point) · (B − b zero point) in int32, over the last two axes as in MatMul.
///
/// Inputs A [… M, K], B [… K, N], A's zero point (a number, [M] or [… M, 1]) and B's (a number, [N]
/// or [… 1, N]), both optional; A and B int8 or uint8. ONNX MatMulInteger; sums wrap around.
let matMulIntegerOperator = Operator(
  opcode: 263, name: "MatMulInteger", inputs: 2...4,
  infer: { (context) throws(ApusError) in
    try inferIntegerMatMul(context, MatMulInputs.integer, .int32)
  },
  plan: { (context) throws(ApusError) in try planIntegerMatMul(context, MatMulInputs.integer) },
  multiplyAccumulates: { integerMatMulWork($0) })

/// The same requantised: y = saturate(round(sum · (a scale · b scale / y scale)) + y zero point),
/// in float32, halves to even.
///
/// Inputs A, its scale and zero point, B, its scale and zero point (in the shapes above), Y's scale
/// and zero point (a number each). ONNX QLinearMatMul; the bits are ONNX Runtime's.
let qLinearMatMulOperator = Operator(
  opcode: 264, name: "QLinearMatMul", inputs: 8...8,
  notes: "One scale and zero point for Y.", scales: ScalePlaces(tensors: 0..<6, result: 6),
  infer: { (context) throws(ApusError) in
    try context.requireBytes(7, zero: 7)
    try context.requireType(6, .float32)
    for i in 6...7 {
      try context.require(
        context.input(i).shape.count == 1, .unsupported, "input \(i) must be a single number")
    }
    try inferIntegerMatMul(context, MatMulInputs.quantized, context.input(7).dataType)
  },
  plan: { (context) throws(ApusError) in try planIntegerMatMul(context, MatMulInputs.quantized) },
  multiplyAccumulates: { integerMatMulWork($0) })

/// Which inputs are what.
private struct MatMulInputs {
  let a: IntegerOperand
  let b: IntegerOperand
  let result: (scale: Int, zero: Int)?

  static var integer: MatMulInputs {
    MatMulInputs(
      a: IntegerOperand(tensor: 0, scale: nil, zero: 2),
      b: IntegerOperand(tensor: 1, scale: nil, zero: 3), result: nil)
  }

  static var quantized: MatMulInputs {
    MatMulInputs(
      a: IntegerOperand(tensor: 0, scale: 1, zero: 2),
      b: IntegerOperand(tensor: 3, scale: 4, zero: 5), result: (6, 7))
  }
}

private func integerMatMulWork(_ node: NodeContext) -> Int {
  node.outputs[0].shape.count * node.input(0).shape[last: 1]
}

private func inferIntegerMatMul(
  _ context: NodeContext, _ inputs: MatMulInputs, _ type: DataType
) throws(ApusError) {
  try inputs.a.check(context)
  try inputs.b.check(context)
  let shapes = try MatMulShapes(context, b: inputs.b.tensor)
  var rows = context.input(0).shape
  rows[last: 1] = 1
  try inputs.a.checkParameters(context, Shape(shapes.rows), rows)
  var columns = context.input(inputs.b.tensor).shape
  if columns.rank > 1 { columns[last: 2] = 1 } else { columns = Shape() }
  try inputs.b.checkParameters(context, Shape(shapes.columns), columns)
  try context.setOutput(type, shapes.output)
}

private func planIntegerMatMul(
  _ context: PlanContext, _ inputs: MatMulInputs
) throws(ApusError) {
  let node = context.node
  if node.outputs[0].shape.count == 0 { return }
  var shapes = try MatMulShapes(node, b: inputs.b.tensor)
  if let result = inputs.result, node.input(0).shape.rank == 2, shapes.isSingle,
    node.input(inputs.b.tensor).shape.rank == 2,
    context.planByteConvolution(
      SpatialGeometry(), groups: 1, rows: shapes.columns, x: inputs.a, weights: inputs.b,
      strides: (1, shapes.columns), bias: nil, result: result)
  {
    return
  }
  shapes.foldBatchIntoRows()
  if inputs.result == nil, context.planIntegerRow(inputs.a, inputs.b, shapes) { return }
  let a = node.input(0).shape.count
  let b = node.input(inputs.b.tensor).shape.count
  let descriptor = apus_convolution(
    channels: shapes.depth, input_depth: 1, input_height: 1, input_width: shapes.columns,
    grid_depth: 1, grid_height: 1, grid_width: shapes.columns, step_z: 1, step_y: 1, step_x: 1,
    taps: 1, tap_offsets: nil, rows: shapes.rows, y_step_row: shapes.columns, y_step_z: 0,
    y_step_y: 0, y_step_x: 1, columns: 0, table: nil, minimum: 0, maximum: 0)
  let pass = ConvolutionPass(descriptor, outputOffset: 0) { (tap, _) in tap }
  let product = IntegerProduct(
    context, pass, inputs.a, inputs.b, rowSets: max(1, a / max(1, shapes.rows * shapes.depth)),
    columnSets: max(1, b / max(1, shapes.columns * shapes.depth)), items: shapes.batch.count,
    matrices: shapes)
  context.planIntegerProduct(product, inputs.a, inputs.b, result: inputs.result)
}
