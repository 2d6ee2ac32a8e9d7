import CKernels
import ModelFormat

// Operators that combine any number of inputs, broadcast together, one after the other:
// y = f(… f(f(x0, x1), x2) …). ONNX operators of the same names.

private func variadicOperator(
  _ opcode: UInt16, _ name: StaticString, _ function: Int, isMean: Bool = false,
  takesIntegers: Bool
) -> Operator {
  Operator(
    opcode: opcode, name: name, inputs: 1...65535,
    notes: takesIntegers ? "float32, int32 and int64." : "",
    infer: { (context) throws(ApusError) in
      for i in 0..<context.inputs.count {
        try context.require(context.hasInput(i), .invalidModel, "input \(i) is missing")
      }
      if takesIntegers {
        try context.requireArithmeticType()
      } else {
        try context.requireFloat32()
      }
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
          APUS_UNARY_AFFINE, from: context.output(0), to: context.output(0), y.count,
          a: 1 / Float(count))
      }
    })
}

/// The smallest of the inputs, NaN where one is. ONNX Min.
let minOperator = variadicOperator(70, "Min", APUS_BINARY_MIN, takesIntegers: true)
/// The greatest of the inputs, NaN where one is. ONNX Max.
let maxOperator = variadicOperator(71, "Max", APUS_BINARY_MAX, takesIntegers: true)
/// ONNX Mean, float32.
let meanOperator = variadicOperator(
  72, "Mean", APUS_BINARY_ADD, isMean: true, takesIntegers: false)
/// ONNX Sum, float32.
let sumOperator = variadicOperator(73, "Sum", APUS_BINARY_ADD, takesIntegers: false)
