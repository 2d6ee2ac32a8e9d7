import CSystem
import ModelFormat

/// The upper triangle of each matrix of x (its last two axes), or with `upper` 0 the lower one, the
/// rest 0. Input 1 moves the diagonal, which belongs to both: elements with column − row = k.
/// ONNX Trilu, any type.
let triluOperator = Operator(
  opcode: 185, name: "Trilu", attributes: [AttributeSpec("upper", .int)], inputs: 1...2,
  infer: { (context) throws(ApusError) in
    try context.requireRank(0, 2...Shape.maximumRank)
    try context.requireType(1, .int64)
    if let k = context.optionalInput(1) {
      try context.require(k.shape.count == 1, "input 1 must be a scalar and is \(k.shape)")
    }
    try context.setOutput(context.input(0).dataType, context.input(0).shape)
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0)
    if x.shape.count == 0 { return }
    context.emit(TriluStep(context, x), work: x.byteCount / 4)
  })

private final class TriluStep: Step {
  let x: Slot
  let k: Slot?
  let y: Slot
  let isUpper: Bool
  let size: Int
  let rows: Int
  let columns: Int
  let total: Int

  init(_ context: PlanContext, _ info: TensorInfo) {
    x = context.input(0)
    k = context.optionalInput(1)
    y = context.output(0)
    isUpper = context.node.int("upper", default: 1) != 0
    size = info.dataType.size
    rows = info.shape[last: 2]
    columns = info.shape[last: 1]
    total = info.shape.product(0, info.shape.rank - 1)
  }

  override func run(_ memory: Memory, _ share: Share) {
    let k = k.map { loadInteger(memory[$0], 0, .int64) } ?? 0
    for r in share.part(of: total) {
      let source = memory[x] + r &* columns &* size
      let target = memory[y] + r &* columns &* size
      // The first column of the upper triangle; of the lower one, the first behind it.
      let diagonal = (r % rows).addingReportingOverflow(k)
      var border = diagonal.overflow ? (k < 0 ? 0 : columns) : diagonal.partialValue
      if !isUpper, border < columns { border &+= 1 }
      let cut = max(0, min(border, columns)) &* size
      let rest = columns &* size &- cut
      memset(isUpper ? target : target + cut, 0, isUpper ? cut : rest)
      memcpy(
        isUpper ? target + cut : target, isUpper ? source + cut : source, isUpper ? rest : cut)
    }
  }
}
