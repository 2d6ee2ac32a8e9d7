import CKernels
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
    scales: ScalePlaces(tensors: 0..<6, result: 6),
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
    if y.count == 0 || (isProduct ? planByteProduct() : planByteAdd()) { return }
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

  /// Of n numbers a, whose place the results take, and b; both have room for a multiple of 8.
  @inline(never)
  func apply(_ a: UnsafeMutablePointer<Float>, _ b: UnsafePointer<Float>, _ n: Int) {
    var i = 0
    while i < n {
      let p = UnsafeMutableRawPointer(a + i)
      let u = p.loadUnaligned(as: SIMD8<Float>.self) - aZero
      let v = UnsafeRawPointer(b + i).loadUnaligned(as: SIMD8<Float>.self) - bZero
      p.storeBytes(
        of: u * (v * asFactor + one) * aRatio + (v * bRatio + fixed), as: SIMD8<Float>.self)
      i &+= 8
    }
  }
}

private final class QLinearBinaryStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let isProduct: Bool
  private let layout: Broadcast
  private let a: Slot
  private let b: Slot
  private let y: Slot
  private let aScale: QLinearScale
  private let bScale: QLinearScale
  private let yScale: QLinearScale

  init(_ context: PlanContext, isProduct: Bool) {
    kernels = context.kernels
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
    let f = QLinearBinary(
      isProduct: isProduct, aScale.read(memory), bScale.read(memory), yScale.read(memory))
    let a = memory[a].assumingMemoryBound(to: UInt8.self)
    let b = memory[b].assumingMemoryBound(to: UInt8.self)
    let y = memory[y].assumingMemoryBound(to: UInt8.self)
    let range = yScale.type.byteRange
    withChunk { u in
      withChunk { v in
        layout.forEachRun(in: share.part(of: layout.total, grain: 64)) { i, j, k, n in
          var c = 0
          while c < n {
            let m = min(QLinearBinaryStep.chunk, n &- c)
            load(a + (i &+ c &* layout.aStep), step: layout.aStep, m, u)
            load(b + (j &+ c &* layout.bStep), step: layout.bStep, m, v)
            f.apply(u, v, m)
            // Its zero point is part of the number already.
            kernels.pointee.quantize(
              u, m, 1, 0, Float(range.lower), Float(range.upper), y + (k &+ c))
            c &+= m
          }
        }
      }
    }
  }

  /// Elements that are numbers at a time.
  private static var chunk: Int { 128 }

  @inline(__always)
  private func withChunk(_ body: (UnsafeMutablePointer<Float>) -> Void) {
    var elements = InlineArray<128, Float>(repeating: 0)
    withUnsafeMutableBytes(of: &elements) {
      body($0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self))
    }
  }

  /// The bytes as numbers; with a step of 0 all are the first.
  @inline(never)
  private func load(
    _ p: UnsafePointer<UInt8>, step: Int, _ n: Int, _ v: UnsafeMutablePointer<Float>
  ) {
    let flip = yScale.type.flip
    let count = step == 0 ? 1 : n
    kernels.pointee.dequantize(p, count, Int(flip), Int32(flip), 1, v)
    for i in count..<n { v[i] = v[0] }
  }
}
