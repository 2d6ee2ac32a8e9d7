import CKernels
import CSystem
import ModelFormat

// Arithmetic of two inputs with NumPy broadcasting: ONNX operators of the same names.

private func arithmeticOperator(
  _ opcode: UInt16, _ name: StaticString, _ function: Int, cost: Int = 1
) -> Operator {
  Operator(
    opcode: opcode, name: name, inputs: 2...2, notes: "float32, int32 and int64.",
    infer: { (context) throws(ApusError) in
      try context.requireArithmeticType()
      try context.setOutput(context.input(0).dataType, try context.broadcastShape())
    },
    plan: { (context) throws(ApusError) in
      context.allowInPlaceWhereShapesEqual(2)
      context.emitBinary(
        function, context.input(0), context.node.input(0).shape, context.input(1),
        context.node.input(1).shape, cost: cost)
    })
}

/// y = a + b. ONNX Add; integers wrap around.
let addOperator = arithmeticOperator(65, "Add", APUS_BINARY_ADD)
/// y = a − b. ONNX Sub.
let subOperator = arithmeticOperator(66, "Sub", APUS_BINARY_SUB)
/// y = a·b. ONNX Mul.
let mulOperator = arithmeticOperator(67, "Mul", APUS_BINARY_MUL)
/// y = a/b. ONNX Div; integers towards zero, 0 where b is 0.
let divOperator = arithmeticOperator(68, "Div", APUS_BINARY_DIV, cost: 4)

/// y = x, or slope·x below 0; the slope is broadcast to x. ONNX PRelu, float32; He et al. 2015.
let preluOperator = Operator(
  opcode: 31, name: "PRelu", inputs: 2...2,
  infer: { (context) throws(ApusError) in
    try context.requireFloat32()
    let x = context.input(0).shape
    let shape = try context.broadcastShape()
    try context.require(
      shape == x, "the slope \(context.input(1).shape) must be broadcast to the input \(x)")
    try context.setOutput(.float32, x)
  },
  plan: { (context) throws(ApusError) in
    context.allowInPlaceWhereShapesEqual(1)
    context.emitBinary(
      APUS_BINARY_PRELU, context.input(0), context.node.input(0).shape, context.input(1),
      context.node.input(1).shape)
  })

/// y = a^b. ONNX Pow: a in float32, b in float32, int32 or int64. By libm; squares by a product.
let powOperator = Operator(
  opcode: 69, name: "Pow", inputs: 2...2, notes: "The base must be float32.",
  infer: { (context) throws(ApusError) in
    try context.requireType(0, .float32)
    let type = context.input(1).dataType
    try context.require(
      type == .float32 || type == .int32 || type == .int64, .unsupported,
      "the exponent is \(type); float32, int32 and int64 are supported")
    try context.setOutput(.float32, try context.broadcastShape())
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0)
    let exponent = context.node.input(1)
    let y = context.node.outputs[0].shape
    if x.shape == y { context.allowInPlace(input: 0, output: 0) }
    if exponent.shape.count == 1, x.shape.count == y.count, exponent.isConstant(2) {
      context.emitBinary(APUS_BINARY_MUL, context.input(0), y, context.input(0), y)
      return
    }
    let layout = Broadcast(x.shape, exponent.shape, to: y)
    if layout.total == 0 { return }
    context.emit(
      PowStep(context.input(0), context.input(1), exponent.dataType, context.output(0), layout),
      work: layout.total * 20)
  })

extension TensorInfo {
  /// Whether the only element is known to be this number.
  fileprivate func isConstant(_ value: Int) -> Bool {
    guard let constant else { return false }
    switch dataType {
    case .float32: return constant.loadUnaligned(as: Float.self) == Float(value)
    case .int32: return constant.loadUnaligned(as: Int32.self) == Int32(truncatingIfNeeded: value)
    case .int64: return constant.loadUnaligned(as: Int64.self) == Int64(value)
    default: return false
    }
  }
}

private final class PowStep: Step {
  let a: Slot
  let b: Slot
  let exponentType: DataType
  let y: Slot
  let layout: Broadcast

  init(_ a: Slot, _ b: Slot, _ exponentType: DataType, _ y: Slot, _ layout: Broadcast) {
    self.a = a
    self.b = b
    self.exponentType = exponentType
    self.y = y
    self.layout = layout
  }

  override func run(_ memory: Memory, _ share: Share) {
    let a = memory.floats(a)
    let b = UnsafeRawPointer(memory[b])
    let y = memory.mutableFloats(y)
    layout.forEachRun(in: share.part(of: layout.total, grain: 64)) { i, j, k, n in
      var c = 0
      while c < n {
        let at = j &+ c &* layout.bStep
        let exponent: Float
        switch exponentType {
        case .int32: exponent = Float(b.load(fromByteOffset: at &* 4, as: Int32.self))
        case .int64: exponent = Float(b.load(fromByteOffset: at &* 8, as: Int64.self))
        default: exponent = b.load(fromByteOffset: at &* 4, as: Float.self)
        }
        y[k &+ c] = powf(a[i &+ c &* layout.aStep], exponent)
        c &+= 1
      }
    }
  }
}
