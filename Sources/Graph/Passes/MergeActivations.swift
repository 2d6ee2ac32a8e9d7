import ModelFormat

/// Activations for which an exporter had no operator stand in the graph as their formulas:
///
///     Swish      x · Sigmoid(αx)
///     HardSwish  x · HardSigmoid(x; 1/6, ½), x · Clip(x + 3; 0, 6) / 6
///     Mish       x · Tanh(Softplus(x))
///     Gelu       ½x · (1 + Erf(x/√2)), ½x · (1 + Tanh(√(2/π) · (x + 0.044715x³)))
///
/// The factors may come in any order, and the functions' arguments as any equal polynomials.
let mergeActivations = GraphPass(
  "merge-activations", "Compute Swish, HardSwish, Mish and Gelu at once in place of their formulas"
) { editor in
  var count = 0
  for node in editor.nodes where node.op == "Mul" || node.op == "Div" {
    guard let y = node.outputs[0], let product = Product(node, editor) else { continue }
    for (x, f) in [(0, 1), (1, 0)] {
      let x = product.factors[x]
      guard let rank = x.shape?.count, product.rank <= rank,
        let match = Formula(x: x, rank: rank, editor: editor)
          .activation(product.factors[f], times: product.constant)
      else { continue }
      editor.replace(
        node,
        with: Node(
          match.op, name: node.name, inputs: [x], outputs: [y], attributes: match.attributes))
      count += 1
      break
    }
  }
  return count
}

/// A constant times two tensors, from products and quotients that nothing else reads.
private struct Product {
  private(set) var constant = 1.0
  private(set) var factors: [Value] = []
  /// The most dimensions that a constant has.
  private(set) var rank = 0

  /// nil where the node is no such thing.
  init?(_ node: Node, _ editor: FunctionEditor) {
    guard take(node, editor, depth: 4), factors.count == 2 else { return nil }
  }

  private mutating func take(_ node: Node, _ editor: FunctionEditor, depth: Int) -> Bool {
    for (i, input) in node.inputs.enumerated() {
      guard let input else { return false }
      let divides = node.op == "Div" && i == 1
      if let number = input.scalar {
        constant *= divides ? 1 / Double(number) : Double(number)
        rank = max(rank, input.shape?.count ?? 0)
      } else if divides {
        return false
      } else if depth > 0, let inner = editor.exclusiveProducer(of: input),
        inner.op == "Mul" || inner.op == "Div"
      {
        guard take(inner, editor, depth: depth - 1) else { return false }
      } else {
        factors.append(input)
      }
    }
    return factors.count <= 2
  }
}

/// What is said of x in a formula.
private struct Formula {
  let x: Value
  let rank: Int
  let editor: FunctionEditor

  /// The operator that computes k · x · f; nil where there is none, or something else needs f too.
  func activation(
    _ f: Value, times k: Double
  ) -> (op: String, attributes: [String: Attribute])? {
    guard let node = editor.exclusiveProducer(of: f), let argument = node.input(0) else {
      return nil
    }
    switch node.op {
    case "Sigmoid":
      guard isNear(k, 1), let p = polynomial(argument), p.equals([0, p.c[1]]) else { return nil }
      return ("Swish", isNear(p.c[1], 1) ? [:] : ["alpha": .float(Float(p.c[1]))])
    case "HardSigmoid":
      guard let p = polynomial(argument) else { return nil }
      let alpha = Double(node.float("alpha", default: 0.2))
      let beta = Double(node.float("beta", default: 0.5))
      return hardSwish(p * alpha + beta, limit: 1, times: k)
    case "Clip":
      guard let (low, high) = node.limits, low == 0, let p = polynomial(argument) else {
        return nil
      }
      return hardSwish(p, limit: Double(high), times: k)
    case "Tanh":
      guard isNear(k, 1), let inner = editor.exclusiveProducer(of: argument),
        inner.op == "Softplus", inner.input(0) === x
      else { return nil }
      return ("Mish", [:])
    case "Add":
      guard isNear(k, 0.5) else { return nil }
      return gelu(node)
    default: return nil
    }
  }

  /// k · x · min(max(p, 0), limit)
  private func hardSwish(
    _ p: Polynomial, limit: Double, times k: Double
  ) -> (op: String, attributes: [String: Attribute])? {
    isNear(k * limit, 1) && (p * k).equals([0.5, 1 / 6]) ? ("HardSwish", [:]) : nil
  }

  /// 1 + Erf(…) or 1 + Tanh(…)
  private func gelu(_ sum: Node) -> (op: String, attributes: [String: Attribute])? {
    for (a, b) in [(0, 1), (1, 0)] {
      guard let one = sum.input(a), number(one).map({ isNear($0, 1) }) ?? false,
        let node = editor.exclusiveProducer(of: sum.input(b)), let argument = node.input(0),
        let p = polynomial(argument)
      else { continue }
      if node.op == "Erf", p.equals([0, 0.5.squareRoot()]) { return ("Gelu", [:]) }
      let slope = (2 / Double.pi).squareRoot()
      if node.op == "Tanh", p.equals([0, slope, 0, 0.044715 * slope]) {
        return ("Gelu", ["approximate": "tanh"])
      }
    }
    return nil
  }

  /// A constant that does not widen x.
  private func number(_ value: Value) -> Double? {
    guard let number = value.scalar, value.shape?.count ?? 0 <= rank else { return nil }
    return Double(number)
  }

  /// The polynomial of x, of degree 3 at most, that a value is.
  private func polynomial(_ value: Value, depth: Int = 6) -> Polynomial? {
    if value === x { return Polynomial([0, 1]) }
    if let number = number(value) { return Polynomial([number]) }
    guard depth > 0, let node = editor.producer(of: value), let a = node.input(0),
      let b = node.input(1), ["Add", "Sub", "Mul", "Div", "Pow"].contains(node.op),
      let p = polynomial(a, depth: depth - 1)
    else { return nil }
    if node.op == "Pow" {
      switch number(b) {
      case 2: return p * p
      case 3: return (p * p).flatMap { $0 * p }
      default: return nil
      }
    }
    guard let q = polynomial(b, depth: depth - 1) else { return nil }
    switch node.op {
    case "Add": return p + q
    case "Sub": return p + q * -1
    case "Mul": return p * q
    default: return q.equals([q.c[0]]) ? p * (1 / q.c[0]) : nil
    }
  }
}

/// c₀ + c₁x + c₂x² + c₃x³
private struct Polynomial {
  private(set) var c: [Double]

  init(_ coefficients: [Double]) {
    c = coefficients + [Double](repeating: 0, count: 4 - coefficients.count)
  }

  func equals(_ coefficients: [Double]) -> Bool {
    zip(c, Polynomial(coefficients).c).allSatisfy { isNear($0, $1) }
  }

  static func + (p: Polynomial, q: Polynomial) -> Polynomial {
    Polynomial(zip(p.c, q.c).map { $0 + $1 })
  }

  static func + (p: Polynomial, number: Double) -> Polynomial { p + Polynomial([number]) }

  static func * (p: Polynomial, number: Double) -> Polynomial {
    Polynomial(p.c.map { $0 * number })
  }

  /// nil where the degree is larger than 3.
  static func * (p: Polynomial, q: Polynomial) -> Polynomial? {
    var c = [Double](repeating: 0, count: 7)
    for i in 0..<4 {
      for j in 0..<4 { c[i + j] += p.c[i] * q.c[j] }
    }
    return c[4...].allSatisfy { $0 == 0 } ? Polynomial(Array(c.prefix(4))) : nil
  }
}

/// Whether two numbers are equal but for the rounding of constants to float32.
private func isNear(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-6 * abs(b) }
