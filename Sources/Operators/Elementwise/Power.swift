import CKernels
import ModelFormat

/// y = a^b, of a's type; the two may be of different types. ONNX Pow.
///
/// A float32 base: the float32 power, accurate to 0.501 ulp; squares by a product. An integer base
/// under an integer exponent: the exact power, wrapped around (0 where the exponent is negative,
/// but for bases of ±1). An integer base under a float32 exponent: the exact power where the
/// exponent is an integer, else the float32 power of the base as float32, without its fraction.
let powOperator = Operator(
  opcode: 69, name: "Pow", inputs: 2...2,
  notes: "Each float32 or any integer type; the output is of the base's type.",
  infer: { (context) throws(ApusError) in
    try context.requireTypes(0, .numbers)
    try context.requireTypes(1, .numbers)
    try context.setOutput(context.input(0).dataType, try context.broadcastShape())
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0)
    let exponent = context.node.input(1)
    let y = context.node.outputs[0].shape
    if x.shape == y && exponent.dataType == .float32 { context.allowInPlace(input: 0, output: 0) }
    if exponent.shape.count == 1, x.shape.count == y.count, exponent.isConstant(2) {
      context.emitBinary(.mul, context.input(0), y, context.input(0), y)
      return
    }
    let layout = Broadcast(x.shape, exponent.shape, to: y)
    if layout.total == 0 { return }
    context.emit(PowStep(context, layout), work: layout.total * 16)
  })

extension TensorInfo {
  /// Whether the only element is known to be this number.
  fileprivate func isConstant(_ value: Int) -> Bool {
    guard let constant else { return false }
    if dataType == .float32 { return constant.loadUnaligned(as: Float.self) == Float(value) }
    return loadInteger(constant, dataType) == Int64(value)
  }
}

private final class PowStep: Step {
  let kernel: BinaryStep.Kernel
  let a: Slot
  let b: Slot
  let y: Slot
  let type: DataType
  let exponentType: DataType
  let layout: Broadcast

  init(_ context: PlanContext, _ layout: Broadcast) {
    kernel = context.kernels.pointee.binary
    a = context.input(0)
    b = context.input(1)
    y = context.output(0)
    type = context.node.input(0).dataType
    exponentType = context.node.input(1).dataType
    self.layout = layout
  }

  override func run(_ memory: Memory, _ share: Share) {
    layout.forEachRun(in: share.part(of: layout.total, grain: 64)) { i, j, k, n in
      if type == .float32 && exponentType == .float32 {
        power(
          memory.floats(a) + i, layout.aStep, memory.floats(b) + j, layout.bStep,
          memory.mutableFloats(y) + k, n)
        return
      }
      var c = 0
      while c < n {
        let m = min(chunkCount, n &- c)
        let exponents = UnsafeRawPointer(
          memory[b] + (j &+ c &* layout.bStep) &* exponentType.size)
        let i = i &+ c &* layout.aStep
        if type == .float32 {
          raise(memory.floats(a) + i, exponents, memory.mutableFloats(y) + (k &+ c), m)
        } else {
          raise(
            UnsafeRawPointer(memory[a] + i &* type.size), exponents,
            memory[y] + (k &+ c) &* type.size, m)
        }
        c &+= m
      }
    }
  }

  private func power(
    _ a: UnsafePointer<Float>, _ aStep: Int, _ b: UnsafePointer<Float>, _ bStep: Int,
    _ y: UnsafeMutablePointer<Float>, _ n: Int
  ) {
    kernel(BinaryFunction.pow.rawValue, a, aStep, b, bStep, y, n)
  }

  /// float32 bases, integer exponents.
  private func raise(
    _ a: UnsafePointer<Float>, _ b: UnsafeRawPointer, _ y: UnsafeMutablePointer<Float>, _ n: Int
  ) {
    withIntegerChunk { exponents in
      loadIntegers(b, exponentType, step: layout.bStep, n, exponents)
      for q in 0..<n {
        let base = a[q &* layout.aStep]
        var exponent = Float(exponents[q])
        power(a + q &* layout.aStep, 0, &exponent, 0, y + q, 1)
        // Beyond 2^24 the float next to an odd exponent is even.
        let isRounded = exponents[q].magnitude > 1 << 24
        if isRounded && exponents[q] & 1 == 1 && base.sign == .minus { y[q].negate() }
      }
    }
  }

  /// Integer bases.
  private func raise(
    _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, _ n: Int
  ) {
    withIntegerChunk { bases in
      withIntegerChunk { exponents in
        loadIntegers(a, type, step: layout.aStep, n, bases)
        if exponentType == .float32 {
          for q in 0..<n {
            let exponent = b.load(fromByteOffset: q &* layout.bStep &* 4, as: Float.self)
            bases[q] = power(bases[q], exponent)
          }
        } else {
          loadIntegers(b, exponentType, step: layout.bStep, n, exponents)
          mapChunks(bases, exponents, n) { integerPower($0, $1) }
        }
        storeIntegers(bases, y, type, n)
      }
    }
  }

  private func power(_ base: Int64, _ exponent: Float) -> Int64 {
    let integer = saturated(exponent, Int64.self)
    if Float(integer) == exponent { return integerPower(base, integer) }
    var base = Float(base)
    var exponent = exponent
    var result: Float = 0
    power(&base, 0, &exponent, 0, &result, 1)
    return saturated(result, Int64.self)
  }
}
