import CKernels
import ModelFormat

/// y = min(max(x, low), high), the limits one element each, none where left out; NaN stays NaN.
/// ONNX Clip.
public let clipOperator = Operator(
  opcode: 45, name: "Clip", inputs: 1...3, requiredInputs: 1,
  notes: "float32 and any integer type.",
  infer: { (context) throws(ApusError) in
    try context.requireTypes(0, .numbers)
    for i in 1...2 {
      try context.requireType(i, context.input(0).dataType)
      if let limit = context.optionalInput(i) {
        try context.require(
          limit.shape.count == 1, "input \(i) must be one element and is \(limit.shape)")
      }
    }
    try context.setOutput(context.input(0).dataType, context.input(0).shape)
  },
  plan: { (context) throws(ApusError) in
    if let (x, y, elements) = context.blockedUnary() {
      context.emit(
        ClipStep(
          context.kernels.pointee.unary, x, context.optionalInput(1), context.optionalInput(2), y,
          elements), work: elements.count)
      return
    }
    context.allowInPlace(input: 0, output: 0)
    if context.planByteClip() { return }
    let n = context.node.input(0).shape.count
    let type = context.node.input(0).dataType
    if type != .float32 {
      context.emit(
        IntegerUnaryStep(
          .clip, type, context.input(0), context.output(0), n, low: context.optionalInput(1),
          high: context.optionalInput(2)), work: n * 3)
      return
    }
    context.emit(
      ClipStep(
        context.kernels.pointee.unary, context.input(0), context.optionalInput(1),
        context.optionalInput(2), context.output(0), ElementSplit(n)), work: n)
  })

private final class ClipStep: Step {
  let kernel: UnaryStep.Kernel
  let x: Slot
  let low: Slot?
  let high: Slot?
  let y: Slot
  let elements: ElementSplit

  init(
    _ kernel: @escaping UnaryStep.Kernel, _ x: Slot, _ low: Slot?, _ high: Slot?, _ y: Slot,
    _ elements: ElementSplit
  ) {
    self.kernel = kernel
    self.x = x
    self.low = low
    self.high = high
    self.y = y
    self.elements = elements
  }

  override func run(_ memory: Memory, _ share: Share) {
    var a = -Float.infinity
    var b = Float.infinity
    if let low { a = memory.floats(low)[0] }
    if let high { b = memory.floats(high)[0] }
    elements.forEach(share) { (first, count) in
      kernel(
        APUS_UNARY_CLIP, memory.floats(x) + first, memory.mutableFloats(y) + first, count, a, b)
    }
  }
}
