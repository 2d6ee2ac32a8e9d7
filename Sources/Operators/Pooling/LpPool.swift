import CKernels
import CSystem
import ModelFormat

/// y[n, c, o] = (Σ |x|^p)^(1/p) over the elements x under the window, as in MaxPool.
///
/// Input X [N, C, D1 … Dr], 1 ≤ r ≤ 3. ONNX LpPool, float32.
let lpPoolOperator = Operator(
  opcode: 227, name: "LpPool",
  attributes: [
    AttributeSpec("auto_pad", .string), AttributeSpec("ceil_mode", .int),
    AttributeSpec("dilations", .ints), AttributeSpec("kernel_shape", .ints),
    AttributeSpec("p", .int), AttributeSpec("pads", .ints), AttributeSpec("strides", .ints),
  ],
  inputs: 1...1,
  notes: "1 to 3 spatial axes, float32.",
  infer: { (context) throws(ApusError) in
    try context.requireFloat32()
    let x = context.input(0).shape
    let geometry = try poolGeometry(context)
    _ = try PowerNorm(context)
    try context.setOutput(.float32, geometry.outputShape(batch: x[0], channels: x[1]))
  },
  plan: { (context) throws(ApusError) in
    let node = context.node
    if node.outputs[0].shape.count == 0 { return }
    context.emit(
      LpPoolStep(
        PoolPlan(try poolGeometry(node), node.input(0).shape), try PowerNorm(node),
        x: context.input(0), y: context.output(0)),
      work: poolMultiplyAccumulates(node))
  },
  multiplyAccumulates: poolMultiplyAccumulates)

/// y[n, c, 1 …] = (Σ |x|^p)^(1/p) over x[n, c, …]. Input X [N, C, D1 … Dr]. ONNX GlobalLpPool,
/// float32.
let globalLpPoolOperator = Operator(
  opcode: 228, name: "GlobalLpPool", attributes: [AttributeSpec("p", .int)], inputs: 1...1,
  infer: { (context) throws(ApusError) in
    try context.requireFloat32()
    try context.requireRank(0, 2...Shape.maximumRank)
    _ = try PowerNorm(context)
    var shape = context.input(0).shape
    for axis in 2..<shape.rank { shape[axis] = 1 }
    try context.setOutput(.float32, shape)
  },
  plan: { (context) throws(ApusError) in
    let shape = context.node.input(0).shape
    if context.node.outputs[0].shape.count == 0 { return }
    context.emit(
      GlobalLpPoolStep(
        try PowerNorm(context.node), planes: shape[0] * shape[1],
        count: shape.product(2, shape.rank), x: context.input(0), y: context.output(0)),
      work: shape.count)
  },
  multiplyAccumulates: { $0.input(0).shape.count })

/// (Σ |x|^p)^(1/p), summed in double precision. Double's own pow would need a newer glibc.
struct PowerNorm {
  private let p: Int

  init(_ context: NodeContext) throws(ApusError) {
    p = context.int("p", default: 2)
    try context.require(p >= 1, .invalidModel, "p is \(p); it must be positive")
  }

  @inline(__always) func term(_ x: Float) -> Double {
    let magnitude = Double(abs(x))
    return p == 1 ? magnitude : p == 2 ? magnitude * magnitude : Double(powf(abs(x), Float(p)))
  }

  @inline(__always) func root(_ sum: Double) -> Float {
    p > 2 ? powf(Float(sum), 1 / Float(p)) : Float(p == 1 ? sum : sum.squareRoot())
  }
}

private final class LpPoolStep: Step {
  private let pool: PoolPlan
  private let norm: PowerNorm
  private let x: Slot
  private let y: Slot

  init(_ pool: PoolPlan, _ norm: PowerNorm, x: Slot, y: Slot) {
    self.pool = pool
    self.norm = norm
    self.x = x
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    let w = pool.window
    pool.split.forEach(share) { (plane, firstRow, endRow) in
      let input = memory.floats(x) + plane * pool.inputCount
      var at = memory.mutableFloats(y) + plane * pool.outputCount + firstRow * w.output_width
      var row = firstRow
      while row < endRow {
        var column = 0
        while column < w.output_width {
          var sum = 0.0
          w.forEach(z: row / w.output_height, y: row % w.output_height, x: column) { position in
            sum += norm.term(input[position])
          }
          at[0] = norm.root(sum)
          at += 1
          column += 1
        }
        row += 1
      }
    }
  }
}

private final class GlobalLpPoolStep: Step {
  private let norm: PowerNorm
  private let planes: Int
  private let count: Int
  private let x: Slot
  private let y: Slot

  init(_ norm: PowerNorm, planes: Int, count: Int, x: Slot, y: Slot) {
    self.norm = norm
    self.planes = planes
    self.count = count
    self.x = x
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    for plane in share.part(of: planes) {
      let source = memory.floats(x) + plane * count
      var sum = 0.0
      var i = 0
      while i < count {
        sum += norm.term(source[i])
        i &+= 1
      }
      memory.mutableFloats(y)[plane] = norm.root(sum)
    }
  }
}
