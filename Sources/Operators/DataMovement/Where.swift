import ModelFormat

/// y = condition ? a : b, element by element, the three broadcast together. ONNX Where; a and b of
/// any one type, the condition bool.
let whereOperator = Operator(
  opcode: 113, name: "Where", inputs: 3...3,
  infer: { (context) throws(ApusError) in
    try context.requireType(0, .bool)
    let type = context.input(1).dataType
    try context.requireType(2, type)
    var rank = 0
    for i in 0..<3 { rank = max(rank, context.input(i).shape.rank) }
    var shape = Shape(repeating: 1, rank: rank)
    for i in 0..<3 {
      let x = context.input(i).shape
      for d in 0..<x.rank {
        let at = rank - x.rank + d
        try context.require(
          x[d] == 1 || shape[at] == 1 || shape[at] == x[d],
          "input \(i) is \(x), which cannot be broadcast with \(shape)")
        if x[d] != 1 { shape[at] = x[d] }
      }
    }
    try context.setOutput(type, shape)
  },
  plan: { (context) throws(ApusError) in
    let y = context.node.outputs[0]
    context.emit(WhereStep(context, y), work: y.shape.count * 2)
  })

private final class WhereStep: Step {
  let condition: Slot
  let a: Slot
  let b: Slot
  let y: Slot
  let size: Int
  let shape: Shape
  let columns: Int
  let rows: Int
  var strides: InlineArray<3, InlineArray<8, Int>>

  init(_ context: PlanContext, _ output: TensorInfo) {
    condition = context.input(0)
    a = context.input(1)
    b = context.input(2)
    y = context.output(0)
    size = output.dataType.size
    shape = output.shape.rank == 0 ? Shape(1) : output.shape
    columns = shape[last: 1]
    rows = shape.product(0, shape.rank - 1)
    strides = InlineArray(repeating: InlineArray(repeating: 0))
    for i in 0..<3 {
      let input = context.node.input(i)
      let s = broadcastStrides(input.shape, to: shape, elementSize: input.dataType.size)
      for d in 0..<shape.rank { strides[i][d] = s[d] }
    }
  }

  override func run(_ memory: Memory, _ share: Share) {
    if columns == 0 { return }
    let last = shape.rank &- 1
    let part = share.part(of: rows)
    for row in part {
      var c = UnsafeRawPointer(memory[condition])
      var s = UnsafeRawPointer(memory[a])
      var t = UnsafeRawPointer(memory[b])
      var rest = row
      var d = last &- 1
      while d >= 0 {
        let i = rest % shape[d]
        rest /= shape[d]
        c += i &* strides[0][d]
        s += i &* strides[1][d]
        t += i &* strides[2][d]
        d &-= 1
      }
      let target = memory[y] + row &* columns &* size
      switch size {
      case 1: select(c, s, t, target, last, UInt8.self)
      case 2: select(c, s, t, target, last, UInt16.self)
      case 4: select(c, s, t, target, last, UInt32.self)
      default: select(c, s, t, target, last, UInt64.self)
      }
    }
  }

  @inline(__always)
  private func select<T: BitwiseCopyable>(
    _ c: UnsafeRawPointer, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer,
    _ y: UnsafeMutableRawPointer, _ last: Int, _ type: T.Type
  ) {
    let cs = strides[0][last]
    let xs = strides[1][last]
    let ys = strides[2][last]
    var i = 0
    while i < columns {
      let holds = c.load(fromByteOffset: i &* cs, as: UInt8.self) != 0
      let value =
        holds
        ? a.loadUnaligned(fromByteOffset: i &* xs, as: T.self)
        : b.loadUnaligned(fromByteOffset: i &* ys, as: T.self)
      y.storeBytes(of: value, toByteOffset: i &* MemoryLayout<T>.size, as: T.self)
      i &+= 1
    }
  }
}
