import ModelFormat

/// The first `sequence_lens[b]` steps of each sequence b in the opposite order, the others as they
/// are. `batch_axis` and `time_axis` are 0 and 1 or 1 and 0. Lengths are clamped to the steps that
/// there are. ONNX ReverseSequence, any type.
let reverseSequenceOperator = Operator(
  opcode: 199, name: "ReverseSequence",
  attributes: [AttributeSpec("batch_axis", .int), AttributeSpec("time_axis", .int)], inputs: 2...2,
  notes: "Lengths are clamped to the steps that there are.",
  infer: { (context) throws(ApusError) in
    try context.requireRank(0, 2...Shape.maximumRank)
    let x = context.input(0)
    let batch = context.int("batch_axis", default: 1)
    let time = context.int("time_axis", default: 0)
    try context.require(
      batch >= 0 && batch <= 1 && time == 1 - batch, .invalidModel,
      "batch_axis is \(batch) and time_axis \(time); they must be 0 and 1, or 1 and 0")
    try context.requireType(1, .int64)
    try context.requireShape(1, Shape(x.shape[batch]))
    try context.setOutput(x.dataType, x.shape)
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0)
    if x.shape.count == 0 { return }
    context.emit(
      ReverseStep(
        context.input(0), context.input(1), context.output(0), x,
        isBatchFirst: context.node.int("batch_axis", default: 1) == 0),
      work: x.byteCount / 4)
  })

private final class ReverseStep: Step {
  let x: Slot
  let lengths: Slot
  let y: Slot
  let isBatchFirst: Bool
  let batch: Int
  let time: Int
  let block: Int

  init(_ x: Slot, _ lengths: Slot, _ y: Slot, _ info: TensorInfo, isBatchFirst: Bool) {
    self.x = x
    self.lengths = lengths
    self.y = y
    self.isBatchFirst = isBatchFirst
    batch = info.shape[isBatchFirst ? 0 : 1]
    time = info.shape[isBatchFirst ? 1 : 0]
    block = info.shape.product(2, info.shape.rank) * info.dataType.size
  }

  override func run(_ memory: Memory, _ share: Share) {
    for i in share.part(of: batch &* time) {
      let b = isBatchFirst ? i / time : i % batch
      let t = isBatchFirst ? i % time : i / batch
      let length = min(loadInteger(memory[lengths], b, .int64), time)
      let from = t < length ? length &- 1 &- t : t
      let at = isBatchFirst ? b &* time &+ from : from &* batch &+ b
      copyElement(memory[y] + i &* block, memory[x] + at &* block, block)
    }
  }
}
