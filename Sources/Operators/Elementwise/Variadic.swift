import CKernels
import ModelFormat

// Operators that combine any number of inputs, broadcast together, one after the other:
// y = f(… f(f(x0, x1), x2) …). ONNX operators of the same names.

private func variadicOperator(
  _ opcode: UInt16, _ name: StaticString, _ function: BinaryFunction, _ types: ElementTypes,
  isMean: Bool = false, notes: StaticString = ""
) -> Operator {
  Operator(
    opcode: opcode, name: name, inputs: 1...65535, notes: notes,
    infer: { (context) throws(ApusError) in
      for i in 0..<context.inputs.count {
        try context.require(context.hasInput(i), .invalidModel, "input \(i) is missing")
      }
      try context.requireSameType(types)
      try context.setOutput(context.input(0).dataType, try context.broadcastShape())
    },
    plan: { (context) throws(ApusError) in
      let count = context.node.inputs.count
      if count == 1 {
        context.view(input: 0, output: 0)
        return
      }
      // Only the first: the others are read after the output was written.
      context.allowInPlaceWhereShapesEqual(1)
      let y = context.node.outputs[0].shape
      context.emitBinary(
        function, context.input(0), context.node.input(0).shape, context.input(1),
        context.node.input(1).shape)
      for i in 2..<max(2, count) {
        context.emitBinary(
          function, context.output(0), y, context.input(i), context.node.input(i).shape)
      }
      if isMean {
        context.emitUnary(
          APUS_UNARY_AFFINE, from: context.output(0), to: context.output(0), ElementSplit(y.count),
          a: 1 / Float(count))
      }
    })
}

/// The smallest of the inputs, NaN where one is. ONNX Min.
let minOperator = variadicOperator(
  70, "Min", .min, .numbers, notes: "float32 and any integer type.")
/// The greatest of the inputs, NaN where one is. ONNX Max.
let maxOperator = variadicOperator(
  71, "Max", .max, .numbers, notes: "float32 and any integer type.")
/// ONNX Mean, float32.
let meanOperator = variadicOperator(72, "Mean", .add, .float32, isMean: true)
/// ONNX Sum, float32.
let sumOperator = variadicOperator(73, "Sum", .add, .float32)
