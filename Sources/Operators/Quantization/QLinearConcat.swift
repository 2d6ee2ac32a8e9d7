import ModelFormat

/// The inputs one after the other along `axis`, all with Y's scale and zero point:
/// y = saturate(round((x − x zero point) · x scale / y scale) + y zero point).
///
/// Inputs Y's scale and zero point, then X, its scale and zero point for each input; all int8 or all
/// uint8. In float32, halves to even; where the parameters are Y's the bytes are copied. ONNX
/// Runtime's com.microsoft QLinearConcat, to the bit.
let qLinearConcatOperator = Operator(
  opcode: 271, name: "QLinearConcat", attributes: [AttributeSpec("axis", .int)],
  inputs: 5...65534, scales: ScalePlaces(tensors: 2..<65534, result: 0),
  infer: { (context) throws(ApusError) in
    let count = context.inputs.count
    try context.require(
      count % 3 == 2, .invalidModel,
      "\(count) inputs; a scale and a zero point are wanted, and three more for each tensor")
    let type = try context.requireQuantized(1, scale: 0)
    for i in 1...count / 3 { try context.requireQuantized(3 * i - 1, scale: 3 * i, type) }
    try context.setOutput(type, try concatShape(context, first: 2, step: 3))
  },
  plan: { (context) throws(ApusError) in
    let node = context.node
    let shape = node.outputs[0].shape
    if shape.count == 0 { return }
    let axis = try concatAxis(node, 2)
    let type = node.outputs[0].dataType
    if axis == 1,
      context.planByteConcat(first: 2, step: 3, rescaling: { context.byteRescaling($0 + 1, 0) })
    {
      return
    }
    var offset = 0
    for k in 1...node.inputs.count / 3 {
      let i = 3 * k - 1
      let x = node.input(i).shape
      let length = x.product(axis, x.rank)
      if length == 0 { continue }
      let rescaling = context.byteRescaling(i + 1, 0)
      context.emit(
        QLinearLookupStep(
          context.kernels, context.input(i), context.output(0), lines: x.count / length,
          length: length, sourcePitch: length, pitch: shape.product(axis, shape.rank), offset: offset,
          table: context.byteTable(of: i, rescaling, flip: 0),
          scales: rescaling == nil
            ? (QLinearScale(context, i + 1, type), QLinearScale(context, 0, type)) : nil),
        work: x.count)
      offset += length
    }
  })
