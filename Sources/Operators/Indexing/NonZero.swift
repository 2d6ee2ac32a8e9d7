import ModelFormat

/// The coordinates of the elements that are not 0, as int64 [rank, how many]: column after column in
/// the order of the elements. How many only the run knows; as many columns as x has elements are
/// planned for. ONNX NonZero, any type.
let nonZeroOperator = Operator(
  opcode: 196, name: "NonZero", inputs: 1...1,
  infer: { (context) throws(ApusError) in
    let x = context.input(0)
    guard let data = x.constant else {
      try context.setBoundedOutput(.int64, Shape(x.shape.rank, x.shape.count))
      return
    }
    var count = 0
    for i in 0..<x.shape.count where isNonZero(data, i, x.dataType) { count += 1 }
    try context.setOutput(.int64, Shape(x.shape.rank, count))
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0)
    let columns = context.node.outputs[0].shape[1]
    if columns == 0 || x.shape.rank == 0 { return }
    context.emit(
      NonZeroStep(context.input(0), context.output(0), x, columns: columns), work: 0)
  })

private func isNonZero(_ p: UnsafeRawPointer, _ i: Int, _ type: DataType) -> Bool {
  switch type {
  case .float32: p.loadUnaligned(fromByteOffset: i &* 4, as: Float.self) != 0
  case .float16, .bfloat16:
    p.loadUnaligned(fromByteOffset: i &* 2, as: UInt16.self) & 0x7FFF != 0
  default: loadInteger(p, i, type) != 0
  }
}

private final class NonZeroStep: Step {
  let x: Slot
  let y: Slot
  let type: DataType
  let count: Int
  let rank: Int
  let counts: InlineArray<8, Int>
  let columns: Int

  init(_ x: Slot, _ y: Slot, _ info: TensorInfo, columns: Int) {
    self.x = x
    self.y = y
    type = info.dataType
    count = info.shape.count
    rank = info.shape.rank
    counts = info.shape.counts
    self.columns = columns
  }

  override func run(_ memory: Memory, _ share: Share) {
    var column = 0
    for i in 0..<count where isNonZero(memory[x], i, type) {
      if column == columns { return }
      var rest = i
      var d = rank &- 1
      while d >= 0 {
        let quotient = rest / counts[d]
        storeInteger(rest &- quotient &* counts[d], memory[y], d &* columns &+ column, .int64)
        rest = quotient
        d &-= 1
      }
      column &+= 1
    }
  }
}
