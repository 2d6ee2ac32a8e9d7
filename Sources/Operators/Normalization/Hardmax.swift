import ModelFormat

/// y = 1 at the greatest element along `axis` (−1), the first of several, and 0 elsewhere; NaN
/// counts as greater than any number. ONNX Hardmax, float32.
let hardmaxOperator = Operator(
  opcode: 179, name: "Hardmax", attributes: [AttributeSpec("axis", .int)], inputs: 1...1,
  infer: { (context) throws(ApusError) in
    try context.requireFloat32()
    let x = context.input(0).shape
    _ = try context.normalizedAxis(context.int("axis", default: -1), rank: x.rank)
    try context.setOutput(.float32, x)
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0).shape
    if x.count == 0 { return }
    let axis = try context.node.normalizedAxis(
      context.node.int("axis", default: -1), rank: x.rank)
    context.emit(
      HardmaxStep(context.input(0), context.output(0), AxisLines(x, axis: axis)),
      work: x.count * 2)
  })

private final class HardmaxStep: Step {
  let x: Slot
  let y: Slot
  let lines: AxisLines

  init(_ x: Slot, _ y: Slot, _ lines: AxisLines) {
    self.x = x
    self.y = y
    self.lines = lines
  }

  override func run(_ memory: Memory, _ share: Share) {
    let x = memory.floats(x)
    let y = memory.mutableFloats(y)
    for line in share.part(of: lines.count, grain: 16) {
      let first = lines.start(line)
      var greatest = first
      var k = 0
      while k < lines.length {
        let at = first &+ k &* lines.stride
        let best = x[greatest]
        if x[at] > best || (x[at].isNaN && !best.isNaN) { greatest = at }
        y[at] = 0
        k &+= 1
      }
      y[greatest] = 1
    }
  }
}
