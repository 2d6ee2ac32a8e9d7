import CSystem
import ModelFormat

/// x divided by its norm along `axis`: Σ |x| for p = 1, √Σ x² for p = 2; where that is 0 the result
/// is 0. ONNX LpNormalization, float32.
let lpNormalizationOperator = Operator(
  opcode: 203, name: "LpNormalization",
  attributes: [AttributeSpec("axis", .int), AttributeSpec("p", .int)], inputs: 1...1,
  infer: { (context) throws(ApusError) in
    try context.requireFloat32()
    let x = context.input(0).shape
    _ = try context.normalizedAxis(context.int("axis", default: -1), rank: x.rank)
    let p = context.int("p", default: 2)
    try context.require(p == 1 || p == 2, .unsupported, "p is \(p); 1 and 2 are known")
    try context.setOutput(.float32, x)
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0).shape
    if x.count == 0 { return }
    let axis = try context.node.normalizedAxis(context.node.int("axis", default: -1), rank: x.rank)
    context.emit(
      LpNormalizationStep(
        context.input(0), context.output(0), AxisLines(x, axis: axis),
        isSquared: context.node.int("p", default: 2) == 2),
      work: x.count * 4)
  })

private final class LpNormalizationStep: Step {
  let x: Slot
  let y: Slot
  let lines: AxisLines
  let isSquared: Bool

  init(_ x: Slot, _ y: Slot, _ lines: AxisLines, isSquared: Bool) {
    self.x = x
    self.y = y
    self.lines = lines
    self.isSquared = isSquared
  }

  override func run(_ memory: Memory, _ share: Share) {
    for line in share.part(of: lines.count, grain: 16) {
      let x = memory.floats(x) + lines.start(line)
      let y = memory.mutableFloats(y) + lines.start(line)
      var sum = 0.0
      for i in 0..<lines.length {
        let v = Double(x[i &* lines.stride])
        sum += isSquared ? v * v : abs(v)
      }
      let norm = isSquared ? sum.squareRoot() : sum
      let factor = norm == 0 ? 0 : 1 / norm
      for i in 0..<lines.length {
        y[i &* lines.stride] = Float(Double(x[i &* lines.stride]) * factor)
      }
    }
  }
}
