import CKernels
import ModelFormat

// Arithmetic of two inputs with NumPy broadcasting: ONNX operators of the same names.

private func arithmeticOperator(
  _ opcode: UInt16, _ name: StaticString, _ function: BinaryFunction, cost: Int = 1
) -> Operator {
  Operator(
    opcode: opcode, name: name, inputs: 2...2, notes: "float32 and any integer type.",
    infer: { (context) throws(ApusError) in
      try context.requireSameType(.numbers)
      try context.setOutput(context.input(0).dataType, try context.broadcastShape())
    },
    plan: { (context) throws(ApusError) in
      if context.planBlockedBinary(function, cost: cost) { return }
      context.allowInPlaceWhereShapesEqual(2)
      context.emitBinary(
        function, context.input(0), context.node.input(0).shape, context.input(1),
        context.node.input(1).shape, cost: cost)
    })
}

/// y = a + b. ONNX Add; integers wrap around.
public let addOperator = arithmeticOperator(65, "Add", .add)
/// y = a − b. ONNX Sub.
let subOperator = arithmeticOperator(66, "Sub", .sub)
/// y = a·b. ONNX Mul.
let mulOperator = arithmeticOperator(67, "Mul", .mul)
/// y = a/b. ONNX Div; integers towards zero, 0 where b is 0.
let divOperator = arithmeticOperator(68, "Div", .div, cost: 4)

/// y = x, or slope·x below 0; the slope is broadcast to x. ONNX PRelu; He et al. 2015.
let preluOperator = Operator(
  opcode: 31, name: "PRelu", inputs: 2...2, notes: "float32, int32 and int64.",
  infer: { (context) throws(ApusError) in
    try context.requireSameType(.float32 + .wideIntegers)
    let x = context.input(0).shape
    let shape = try context.broadcastShape()
    try context.require(
      shape == x, "the slope \(context.input(1).shape) must be broadcast to the input \(x)")
    try context.setOutput(context.input(0).dataType, x)
  },
  plan: { (context) throws(ApusError) in
    context.allowInPlaceWhereShapesEqual(1)
    context.emitBinary(
      .prelu, context.input(0), context.node.input(0).shape, context.input(1),
      context.node.input(1).shape)
  })
