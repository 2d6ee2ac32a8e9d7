import CSystem
import ModelFormat

/// x repeated `repeats[d]` times along each dimension d (input 1). ONNX Tile, any type.
let tileOperator = Operator(
  opcode: 186, name: "Tile", inputs: 2...2, notes: "The repeats must be a constant.",
  infer: { (context) throws(ApusError) in
    let x = context.input(0)
    let repeats = try context.constantInts(1) ?? []
    try context.require(
      repeats.count == x.shape.rank, "\(repeats.count) repeats for an input of \(x.shape)")
    var shape = x.shape
    for d in 0..<shape.rank {
      let (length, overflow) = shape[d].multipliedReportingOverflow(by: repeats[d])
      try context.require(
        repeats[d] >= 0 && !overflow, .invalidModel, "\(repeats[d]) repeats of dimension \(d)")
      shape[d] = length
    }
    try context.setOutput(x.dataType, shape)
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0)
    let y = context.node.outputs[0]
    if y.shape == x.shape {
      context.view(input: 0, output: 0)
    } else if y.shape.count > 0 {
      context.emit(TileStep(context.input(0), context.output(0), x, y), work: y.byteCount / 4)
    }
  })

/// Row by row, where a row holds all the repetitions along the last axis that has any.
private final class TileStep: Step {
  let x: Slot
  let y: Slot
  /// Axes outside of the rows.
  let rank: Int
  let source: InlineArray<8, Int>
  let target: InlineArray<8, Int>
  /// Bytes of a row of x, and of y.
  let block: Int
  let rowBytes: Int
  let rows: Int

  init(_ x: Slot, _ y: Slot, _ input: TensorInfo, _ output: TensorInfo) {
    self.x = x
    self.y = y
    var last = input.shape.rank - 1
    while last > 0, input.shape[last] == output.shape[last] { last -= 1 }
    rank = last
    source = input.shape.counts
    target = output.shape.counts
    block = input.shape.product(last, input.shape.rank) * input.dataType.size
    rowBytes = output.shape.product(last, output.shape.rank) * input.dataType.size
    rows = output.shape.product(0, last)
  }

  override func run(_ memory: Memory, _ share: Share) {
    for row in share.part(of: rows) {
      var rest = row
      var from = 0
      var stride = 1
      var d = rank &- 1
      while d >= 0 {
        let quotient = rest / target[d]
        from &+= (rest &- quotient &* target[d]) % source[d] &* stride
        stride &*= source[d]
        rest = quotient
        d &-= 1
      }
      fillElements(
        memory[y] + row &* rowBytes, memory[x] + from &* block, size: block,
        count: rowBytes / block)
    }
  }
}
