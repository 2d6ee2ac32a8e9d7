import Foundation
import ModelFormat

/// A function of one quantised number, for the table of a QLinearLookup: DequantizeLinear, operators
/// of one number after each other, QuantizeLinear.
///
/// Every step is computed in double precision and rounded to float32, as a float32 operator without
/// any error of its own would. So the table is the same on every machine, but for the last bit of
/// the C library's functions in double precision, which float32 rounds away.
///
/// In a file a function is the names of its steps (the attribute `function`, with commas between)
/// and two numbers for each (`parameters`), so that export can write the operators themselves.
/// Beside ONNX's operators a step may be
/// - Product: times the number that the DequantizeLinear before gave (x · Sigmoid(x));
/// - QuantizeLinear: to 8 bits, of the first number's type, and back, by scale and zero point;
/// - QLinearMul: times the first number, both in integers, as the operator of the name does it; what
///   comes next, a QuantizeLinear or the end, is the result's scale and zero point.
public struct ByteFunction {
  public struct Step: Equatable {
    public let op: String
    public let a: Float
    public let b: Float

    init(_ op: String, _ a: Float = 0, _ b: Float = 0) {
      self.op = op
      self.a = a
      self.b = b
    }
  }

  public private(set) var steps: [Step] = []

  init(_ steps: [Step]) { self.steps = steps }

  // MARK: Nodes

  /// What the attributes of a QLinearLookup say; nil where they say nothing that is known.
  public init?(_ lookup: Node) {
    let names = lookup.string("function", default: "").split(separator: ",").map(String.init)
    let numbers = lookup.floats("parameters") ?? []
    guard numbers.count == 2 * names.count else { return nil }
    for (i, name) in names.enumerated() {
      let step = Step(name, numbers[2 * i], numbers[2 * i + 1])
      let isSpecial = ["Product", "QuantizeLinear", "QLinearMul"].contains(name)
      guard isSpecial || ByteFunction.value(step, 1) != nil else { return nil }
      if name == "QLinearMul", steps.last?.op != "QuantizeLinear" { return nil }
      if name == "QuantizeLinear", !(step.a > 0 && abs(step.b) < 256) { return nil }
      steps.append(step)
    }
  }

  /// One of ONNX's own operators as it stands.
  public init?(_ op: String, alpha: Float = 0, beta: Float = 0) {
    steps = [Step(op, alpha, beta)]
    if ByteFunction.value(steps[0], 1) == nil { return nil }
  }

  /// The node that looks the function up.
  public func lookup(
    name: String, _ x: Value, _ from: LinearQuantization, _ to: LinearQuantization, into y: Value
  ) -> Node {
    lookup(name: name, x, from, to, table(from, to), into: y)
  }

  func lookup(
    name: String, _ x: Value, _ from: LinearQuantization, _ to: LinearQuantization,
    _ table: [UInt8], into y: Value
  ) -> Node {
    let constant = Value(name + ".table", .uint8, [256], kind: .weight, bytes: table)
    var attributes: [String: Attribute] = [:]
    if !steps.isEmpty {
      attributes["function"] = .string(steps.map(\.op).joined(separator: ","))
      attributes["parameters"] = .floats(steps.flatMap { [$0.a, $0.b] })
    }
    return Node(
      "QLinearLookup", name: name,
      inputs: [x, from.scale, from.zero, constant, to.scale, to.zero], outputs: [y],
      attributes: attributes)
  }

  // MARK: Numbers

  /// The results for all bytes of x, as bytes.
  public func table(_ x: LinearQuantization, _ y: LinearQuantization) -> [UInt8] {
    (0..<256).map { i in
      let byte = UInt8(i)
      let q = x.type == .int8 ? Int32(Int8(bitPattern: byte)) : Int32(byte)
      return UInt8(truncatingIfNeeded: result(q, x, y))
    }
  }

  private func result(_ q: Int32, _ x: LinearQuantization, _ y: LinearQuantization) -> Int32 {
    var v = Float(q - x.zeros[0]) * x.scales[0]
    var first = v
    // What v was made of last.
    var scale = x.scales[0]
    var centred = Float(q - x.zeros[0])
    for (i, step) in steps.enumerated() {
      switch step.op {
      case "Product": v *= first
      case "QuantizeLinear":
        scale = step.a
        if i > 0 && steps[i - 1].op == "QLinearMul" { continue }
        centred = Float(ByteFunction.quantized(v, step.a, step.b, x.range) - Int32(step.b))
        v = centred * scale
        first = v
      case "QLinearMul":
        let next = i + 1 < steps.count ? steps[i + 1] : Step("", y.scales[0], Float(y.zeros[0]))
        let ratio = x.scales[0] * scale / next.a
        let sum = Float(q - x.zeros[0]) * centred * ratio + next.b
        let range = i + 1 < steps.count ? x.range : y.range
        let product = ByteFunction.clamped(sum.rounded(.toNearestOrEven), range)
        if i + 1 == steps.count { return product }
        centred = Float(product) - next.b
        v = centred * next.a
        first = v
      default: v = Float(ByteFunction.value(step, Double(v)) ?? .nan)
      }
    }
    return y.quantized(v)
  }

  private static func quantized(
    _ v: Float, _ scale: Float, _ zero: Float, _ range: ClosedRange<Int32>
  ) -> Int32 {
    clamped((v / scale).rounded(.toNearestOrEven) + zero, range)
  }

  /// The smallest for NaN.
  private static func clamped(_ v: Float, _ range: ClosedRange<Int32>) -> Int32 {
    if !(v > Float(range.lowerBound)) { return range.lowerBound }
    return v < Float(range.upperBound) ? Int32(v) : range.upperBound
  }

  /// One of ONNX's operators of one number; nil for others.
  private static func value(_ step: Step, _ x: Double) -> Double? {
    let (a, b) = (Double(step.a), Double(step.b))
    func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
    func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }
    switch step.op {
    case "Relu": return max(x, 0)
    case "LeakyRelu": return x < 0 ? a * x : x
    case "ThresholdedRelu": return x > a ? x : 0
    case "Elu": return x < 0 ? a * expm1(x) : x
    case "Selu": return b * (x > 0 ? x : a * expm1(x))
    case "Celu": return max(x, 0) + min(0, a * expm1(x / a))
    case "Sigmoid": return sigmoid(x)
    case "Tanh": return tanh(x)
    case "HardSigmoid": return max(0, min(1, a * x + b))
    case "HardSwish": return x * max(0, min(1, x / 6 + 0.5))
    case "Softplus": return softplus(x)
    case "Softsign": return x / (1 + abs(x))
    case "Mish": return x * tanh(softplus(x))
    case "Gelu":
      if a == 0 { return 0.5 * x * (1 + erf(x * 0.5.squareRoot())) }
      return 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case "Clip": return min(max(x, a), b)
    case "Abs": return abs(x)
    case "Neg": return -x
    case "Exp": return exp(x)
    case "Log": return log(x)
    case "Sqrt": return x.squareRoot()
    case "Reciprocal": return 1 / x
    case "Erf": return erf(x)
    case "Sin": return sin(x)
    case "Cos": return cos(x)
    case "Floor": return x.rounded(.down)
    case "Ceil": return x.rounded(.up)
    case "Round": return x.rounded(.toNearestOrEven)
    case "Sign": return x > 0 ? 1 : x < 0 ? -1 : 0
    // With a constant; b: which comes first.
    case "Add": return x + a
    case "Sub": return b == 0 ? x - a : a - x
    case "Mul": return x * a
    case "Div": return b == 0 ? x / a : a / x
    case "Pow": return pow(x, a)
    default: return nil
    }
  }
}

// MARK: - What nodes say

extension ByteFunction {
  /// A node of the graph as steps of a function of one of its inputs.
  static func steps(_ node: Node, _ editor: FunctionEditor) -> (steps: [Step], input: Int)? {
    func number(_ name: String, _ value: Float) -> Float { node.float(name, default: value) }
    switch node.op {
    case "Relu", "Sigmoid", "Tanh", "HardSwish", "Softplus", "Softsign", "Mish", "Abs", "Neg",
      "Exp", "Log", "Sqrt", "Reciprocal", "Erf", "Sin", "Cos", "Floor", "Ceil", "Round", "Sign":
      return ([Step(node.op)], 0)
    case "LeakyRelu": return ([Step(node.op, number("alpha", 0.01))], 0)
    case "Elu", "Celu", "ThresholdedRelu": return ([Step(node.op, number("alpha", 1))], 0)
    case "Selu":
      return ([Step(node.op, number("alpha", 1.67326319), number("gamma", 1.05070102))], 0)
    case "HardSigmoid":
      return ([Step(node.op, number("alpha", 0.2), number("beta", 0.5))], 0)
    case "Gelu":
      let isExact = node.string("approximate", default: "none") == "none"
      return ([Step(node.op, isExact ? 0 : 1)], 0)
    case "Swish":
      // Export has no better word for it either.
      let alpha = number("alpha", 1)
      let scaled = alpha == 1 ? [] : [Step("Mul", alpha)]
      return (scaled + [Step("Sigmoid"), Step("Product")], 0)
    case "Clip":
      guard let limits = node.limits, limits.lower <= limits.upper else { return nil }
      return ([Step("Clip", limits.lower, limits.upper)], 0)
    case "PRelu":
      guard let slope = constant(1, node, editor) else { return nil }
      return ([Step("LeakyRelu", slope)], 0)
    case "Add", "Sub", "Mul", "Div", "Pow":
      if let c = constant(1, node, editor) { return ([Step(node.op, c)], 0) }
      guard node.op != "Pow", let c = constant(0, node, editor) else { return nil }
      let isOrdered = node.op == "Sub" || node.op == "Div"
      return ([Step(node.op, c, isOrdered ? 1 : 0)], 1)
    default: return nil
    }
  }

  /// A single number that input `i` is, and that widens nothing.
  private static func constant(_ i: Int, _ node: Node, _ editor: FunctionEditor) -> Float? {
    guard let value = node.input(i), let rank = node.input(1 - i)?.shape?.count,
      value.shape?.count ?? .max <= rank
    else { return nil }
    if let number = value.scalar { return number }
    guard let source = editor.producer(of: value), let own = LinearQuantization(source),
      own.axis == nil, let integers = source.input(0)?.smallIntegers, integers.count == 1
    else { return nil }
    return Float(integers[0] - own.zeros[0]) * own.scales[0]
  }
}
