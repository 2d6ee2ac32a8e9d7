import ModelFormat

// What kind of number an element is; the output is bool. ONNX operators of the same names, float32.

/// Whether x is NaN. ONNX IsNaN.
let isNaNOperator = Operator(
  opcode: 170, name: "IsNaN", inputs: 1...1,
  infer: { (context) throws(ApusError) in try context.inferClass() },
  plan: { (context) throws(ApusError) in
    context.emit(FloatClassStep(context, nan: true), work: context.node.outputs[0].shape.count)
  })

/// Whether x is infinite: +∞ unless detect_positive is 0, −∞ unless detect_negative is 0.
/// ONNX IsInf.
let isInfOperator = Operator(
  opcode: 171, name: "IsInf",
  attributes: [AttributeSpec("detect_negative", .int), AttributeSpec("detect_positive", .int)],
  inputs: 1...1,
  infer: { (context) throws(ApusError) in try context.inferClass() },
  plan: { (context) throws(ApusError) in
    let step = FloatClassStep(
      context, positive: context.node.int("detect_positive", default: 1) != 0,
      negative: context.node.int("detect_negative", default: 1) != 0)
    context.emit(step, work: context.node.outputs[0].shape.count)
  })

extension NodeContext {
  fileprivate func inferClass() throws(ApusError) {
    try requireFloat32()
    try setOutput(.bool, input(0).shape)
  }
}

private final class FloatClassStep: Step {
  let x: Slot
  let y: Slot
  let count: Int
  let nan: Bool
  let positive: Bool
  let negative: Bool

  init(_ context: PlanContext, nan: Bool = false, positive: Bool = false, negative: Bool = false) {
    x = context.input(0)
    y = context.output(0)
    count = context.node.outputs[0].shape.count
    self.nan = nan
    self.positive = positive
    self.negative = negative
  }

  override func run(_ memory: Memory, _ share: Share) {
    let x = memory.floats(x)
    let y = memory[y].assumingMemoryBound(to: UInt8.self)
    for i in share.part(of: count, grain: 64) {
      let v = x[i]
      let isOne = v != v ? nan : v == .infinity ? positive : v == -.infinity ? negative : false
      y[i] = isOne ? 1 : 0
    }
  }
}
