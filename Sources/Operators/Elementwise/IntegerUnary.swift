import ModelFormat

/// A function of one integer.
enum IntegerFunction {
  case abs, neg, sign, relu, clip, not
}

/// y = f(x) in any integer type or bool. What does not fit wraps around. x and y may be the same
/// memory.
final class IntegerUnaryStep: Step {
  let function: IntegerFunction
  let type: DataType
  let x: Slot
  let y: Slot
  let count: Int
  /// The limits of a clip, one element each; none where left out.
  let low: Slot?
  let high: Slot?

  init(
    _ function: IntegerFunction, _ type: DataType, _ x: Slot, _ y: Slot, _ count: Int,
    low: Slot? = nil, high: Slot? = nil
  ) {
    self.function = function
    self.type = type
    self.x = x
    self.y = y
    self.count = count
    self.low = low
    self.high = high
  }

  override func run(_ memory: Memory, _ share: Share) {
    let part = share.part(of: count, grain: 64)
    let low = low.map { loadInteger(memory[$0], type) } ?? Int64.min
    let high = high.map { loadInteger(memory[$0], type) } ?? Int64.max
    withIntegerChunk { v in
      var first = part.lowerBound
      while first < part.upperBound {
        let n = min(chunkCount, part.upperBound &- first)
        loadIntegers(memory[x] + first &* type.size, type, n, v)
        apply(v, n, low, high)
        storeIntegers(v, memory[y] + first &* type.size, type, n)
        first &+= n
      }
    }
  }

  private func apply(_ v: IntegerChunk, _ n: Int, _ low: Int64, _ high: Int64) {
    switch function {
    case .abs: mapChunk(v, n) { $0 < 0 ? 0 &- $0 : $0 }
    case .neg: mapChunk(v, n) { 0 &- $0 }
    case .sign: mapChunk(v, n) { $0.signum() }
    case .relu: mapChunk(v, n) { $0 < 0 ? 0 : $0 }
    case .clip:
      mapChunk(v, n) { x in
        let raised = x < low ? low : x
        return high < raised ? high : raised
      }
    case .not: mapChunk(v, n) { $0 ^ 1 }
    }
  }
}

/// An element-wise operator of one input that has a kernel for float32 and takes integers too.
func unaryOperator(
  _ opcode: UInt16, _ name: StaticString, _ function: Int, _ integer: IntegerFunction,
  _ types: ElementTypes, notes: StaticString
) -> Operator {
  Operator(
    opcode: opcode, name: name, inputs: 1...1, notes: notes,
    infer: { (context) throws(ApusError) in
      try context.requireTypes(0, types)
      try context.setOutput(context.input(0).dataType, context.input(0).shape)
    },
    plan: { (context) throws(ApusError) in
      let x = context.node.input(0)
      if x.dataType == .float32 {
        context.planUnary(function)
        return
      }
      context.allowInPlace(input: 0, output: 0)
      context.emit(
        IntegerUnaryStep(
          integer, x.dataType, context.input(0), context.output(0), x.shape.count),
        work: x.shape.count * 3)
    })
}

/// True where x is false. ONNX Not.
let notOperator = unaryOperator(169, "Not", 0, .not, .bool, notes: "bool.")
