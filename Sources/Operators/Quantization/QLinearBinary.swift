import ModelFormat

/// y = saturate(round(a · ra + (b · rb + fixed))) with ra = a scale / y scale, rb = b scale / y scale
/// and fixed = y zero point − (a zero point · ra + b zero point · rb).
///
/// Inputs A, its scale and zero point, B, its scale and zero point, Y's scale and zero point (a
/// number each); A, B and Y all int8 or all uint8, broadcast as in NumPy. In float32, each product
/// and each sum rounded by itself, in the order of the brackets; halves to even. ONNX Runtime's
/// com.microsoft QLinearAdd, which may not round the products.
let qLinearAddOperator = qLinearBinary(267, "QLinearAdd", isProduct: false)

/// y = saturate(round((a − a zero point) · (b − b zero point) · r + y zero point)) with r = a scale ·
/// b scale / y scale.
///
/// Inputs and rounding as QLinearAdd's. ONNX Runtime's com.microsoft QLinearMul, to the bit.
let qLinearMulOperator = qLinearBinary(268, "QLinearMul", isProduct: true)

private func qLinearBinary(
  _ opcode: UInt16, _ name: StaticString, isProduct: Bool
) -> Operator {
  Operator(
    opcode: opcode, name: name, inputs: 7...8, requiredInputs: 2,
    notes: "int8 or uint8. One scale and zero point for each tensor.",
    infer: { (context) throws(ApusError) in
      let type = try context.requireQuantized(0, scale: 1)
      try context.requireQuantized(3, scale: 4, type)
      try context.requireQuantized(0, scale: 6)
      try context.setOutput(type, try context.broadcastShape(every: 3, below: 4))
    },
    plan: { (context) throws(ApusError) in context.planQLinearBinary(isProduct) })
}

extension PlanContext {
  @inline(never)
  fileprivate func planQLinearBinary(_ isProduct: Bool) {
    let y = node.outputs[0].shape
    if y.count == 0 { return }
    for i in [0, 3] where node.input(i).shape == y { allowInPlace(input: i, output: 0) }
    emit(QLinearBinaryStep(self, isProduct: isProduct), work: y.count)
  }
}

/// A sum or a product of two numbers a and b as stored, not yet rounded, in one formula:
///
///     ((a − aZero) · ((b − bZero) · asFactor + one)) · aRatio + ((b − bZero) · bRatio + fixed)
///
/// Of a sum the zero points are 0, the first factor is a · 1, and `fixed` is as above; of a product
/// asFactor is 1, bRatio 0, aRatio r, and `fixed` y's zero point. What is 0 or 1 changes no bit.
struct QLinearBinary {
  let aZero: Float
  let bZero: Float
  let asFactor: Float
  let one: Float
  let aRatio: Float
  let bRatio: Float
  let fixed: Float

  @inline(never)
  init(
    isProduct: Bool, _ a: (scale: Float, zero: Float), _ b: (scale: Float, zero: Float),
    _ y: (scale: Float, zero: Float)
  ) {
    aZero = isProduct ? a.zero : 0
    bZero = isProduct ? b.zero : 0
    asFactor = isProduct ? 1 : 0
    one = isProduct ? 0 : 1
    aRatio = isProduct ? a.scale * b.scale / y.scale : a.scale / y.scale
    bRatio = isProduct ? 0 : b.scale / y.scale
    fixed = isProduct ? y.zero : y.zero - (a.zero * aRatio + b.zero * bRatio)
  }

  @inline(__always) func callAsFunction(_ a: Float, _ b: Float) -> Float {
    let v = b - bZero
    return (a - aZero) * (v * asFactor + one) * aRatio + (v * bRatio + fixed)
  }
}

private final class QLinearBinaryStep: Step {
  private let isProduct: Bool
  private let layout: Broadcast
  private let a: Slot
  private let b: Slot
  private let y: Slot
  private let aScale: QLinearScale
  private let bScale: QLinearScale
  private let yScale: QLinearScale

  init(_ context: PlanContext, isProduct: Bool) {
    self.isProduct = isProduct
    let node = context.node
    let type = node.input(0).dataType
    layout = Broadcast(node.input(0).shape, node.input(3).shape, to: node.outputs[0].shape)
    a = context.input(0)
    b = context.input(3)
    y = context.output(0)
    aScale = QLinearScale(context, 1, type)
    bScale = QLinearScale(context, 4, type)
    yScale = QLinearScale(context, 6, type)
  }

  override func run(_ memory: Memory, _ share: Share) {
    let a = memory[a].assumingMemoryBound(to: UInt8.self)
    let b = memory[b].assumingMemoryBound(to: UInt8.self)
    let y = memory[y].assumingMemoryBound(to: UInt8.self)
    let flip = Int32(truncatingIfNeeded: yScale.type.flip)
    let rounding = ByteRounding(yScale.type)
    let f = QLinearBinary(
      isProduct: isProduct, aScale.read(memory), bScale.read(memory), yScale.read(memory))
    withByteChunk { u in
      withByteChunk { v in
        layout.forEachRun(in: share.part(of: layout.total, grain: 64)) { i, j, k, n in
          var c = 0
          while c < n {
            let m = min(ByteChunk.count, n &- c)
            loadBytes(a + (i &+ c &* layout.aStep), step: layout.aStep, flip, m, u)
            loadBytes(b + (j &+ c &* layout.bStep), step: layout.bStep, flip, m, v)
            for e in 0..<m { u[e] = f(u[e], v[e]) }
            storeBytes(u, rounding, m, y + (k &+ c))
            c &+= m
          }
        }
      }
    }
  }
}
