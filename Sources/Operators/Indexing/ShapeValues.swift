import ModelFormat

// A tensor's dimensions as numbers that other operators compute with.

/// The dimensions of x from `start` to before `end`, as int64; both may count from the end and are
/// clamped. ONNX Shape, any type.
let shapeOperator = Operator(
  opcode: 180, name: "Shape", attributes: [AttributeSpec("start", .int), AttributeSpec("end", .int)],
  inputs: 1...1, dependsOnShapesOnly: true,
  infer: { (context) throws(ApusError) in
    try context.setOutput(.int64, Shape(wantedDimensions(context).count))
  },
  plan: { (context) throws(ApusError) in
    let shape = context.node.input(0).shape
    var values = InlineArray<8, Int>(repeating: 0)
    var count = 0
    for d in wantedDimensions(context.node) {
      values[count] = shape[d]
      count += 1
    }
    if count > 0 {
      context.emit(KnownIntegersStep(values, count, context.output(0)), work: 0)
    }
  })

/// The number of elements of x, an int64 scalar. ONNX Size, any type.
let sizeOperator = Operator(
  opcode: 181, name: "Size", inputs: 1...1, dependsOnShapesOnly: true,
  infer: { (context) throws(ApusError) in try context.setOutput(.int64, Shape()) },
  plan: { (context) throws(ApusError) in
    let values = InlineArray<8, Int>(repeating: context.node.input(0).shape.count)
    context.emit(KnownIntegersStep(values, 1, context.output(0)), work: 0)
  })

private func wantedDimensions(_ context: NodeContext) -> Range<Int> {
  let rank = context.input(0).shape.rank
  func clamped(_ i: Int) -> Int { max(0, min(i < 0 ? i &+ rank : i, rank)) }
  let start = clamped(context.int("start", default: 0))
  return start..<max(start, clamped(context.int("end", default: rank)))
}

private final class KnownIntegersStep: Step {
  let values: InlineArray<8, Int>
  let count: Int
  let y: Slot

  init(_ values: InlineArray<8, Int>, _ count: Int, _ y: Slot) {
    self.values = values
    self.count = count
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    for i in 0..<count { storeInteger(values[i], memory[y], i, .int64) }
  }
}
