import ModelFormat

// Comparisons and logic of two inputs with NumPy broadcasting; the output is bool. ONNX operators
// of the same names.

private func comparisonOperator(
  _ opcode: UInt16, _ name: StaticString, _ function: BinaryFunction, _ types: ElementTypes,
  notes: StaticString
) -> Operator {
  Operator(
    opcode: opcode, name: name, inputs: 2...2, notes: notes,
    infer: { (context) throws(ApusError) in
      try context.requireSameType(types)
      try context.setOutput(.bool, try context.broadcastShape())
    },
    plan: { (context) throws(ApusError) in
      let a = context.node.input(0)
      let b = context.node.input(1)
      if a.dataType != .float32 {
        context.emitBinary(function, context.input(0), a.shape, context.input(1), b.shape)
        return
      }
      let layout = Broadcast(a.shape, b.shape, to: context.node.outputs[0].shape)
      if layout.total == 0 { return }
      context.emit(
        ComparisonStep(function, context.input(0), context.input(1), context.output(0), layout),
        work: layout.total * 2)
    })
}

/// a = b; NaN equals nothing. ONNX Equal.
let equalOperator = comparisonOperator(
  161, "Equal", .equal, .numbers + .bool, notes: "float32, bool and any integer type.")
/// a > b. ONNX Greater.
let greaterOperator = comparisonOperator(
  162, "Greater", .greater, .numbers, notes: "float32 and any integer type.")
/// a ≥ b. ONNX GreaterOrEqual.
let greaterOrEqualOperator = comparisonOperator(
  163, "GreaterOrEqual", .greaterOrEqual, .numbers, notes: "float32 and any integer type.")
/// a < b. ONNX Less.
let lessOperator = comparisonOperator(
  164, "Less", .less, .numbers, notes: "float32 and any integer type.")
/// a ≤ b. ONNX LessOrEqual.
let lessOrEqualOperator = comparisonOperator(
  165, "LessOrEqual", .lessOrEqual, .numbers, notes: "float32 and any integer type.")
/// Both. ONNX And.
let andOperator = comparisonOperator(166, "And", .and, .bool, notes: "bool.")
/// Either or both. ONNX Or.
let orOperator = comparisonOperator(167, "Or", .or, .bool, notes: "bool.")
/// One and not the other. ONNX Xor.
let xorOperator = comparisonOperator(168, "Xor", .xor, .bool, notes: "bool.")

/// Whether a and b compare so, in float32, with broadcasting.
private final class ComparisonStep: Step {
  let function: BinaryFunction
  let a: Slot
  let b: Slot
  let y: Slot
  let layout: Broadcast

  init(_ function: BinaryFunction, _ a: Slot, _ b: Slot, _ y: Slot, _ layout: Broadcast) {
    self.function = function
    self.a = a
    self.b = b
    self.y = y
    self.layout = layout
  }

  override func run(_ memory: Memory, _ share: Share) {
    let a = memory.floats(a)
    let b = memory.floats(b)
    let y = memory[y].assumingMemoryBound(to: UInt8.self)
    layout.forEachRun(in: share.part(of: layout.total, grain: 64)) { i, j, k, n in
      for c in 0..<n {
        let u = a[i &+ c &* layout.aStep]
        let v = b[j &+ c &* layout.bStep]
        y[k &+ c] = holds(u, v) ? 1 : 0
      }
    }
  }

  @inline(__always) private func holds(_ a: Float, _ b: Float) -> Bool {
    switch function {
    case .equal: return a == b
    case .greater: return a > b
    case .greaterOrEqual: return a >= b
    case .less: return a < b
    default: return a <= b
    }
  }
}
