import Graph
import ModelFormat
import Operators

// Operators of quantised tensors. ONNX Runtime and others want them as pairs: DequantizeLinear on each
// input, the operator of floats, QuantizeLinear. The importer finds the same operators in these again.
// As operators they are ONNX's own or ONNX Runtime's (com.microsoft), as far as there are any.

extension Exporter {
  static let microsoft = "com.microsoft"
}

/// The scale and the zero point of a tensor, which are inputs `i` and `i + 1`.
private struct Scale {
  let scale: Value
  let zero: Value?

  init?(_ node: Node, _ i: Int) {
    guard let scale = node.input(i) else { return nil }
    self.scale = scale
    zero = node.input(i + 1)
  }

  init?(resultOf node: Node) {
    guard let i = node.definition?.scales?.result else { return nil }
    self.init(node, i)
  }

  init(_ scale: Value, _ zero: Value?) {
    self.scale = scale
    self.zero = zero
  }

  var isSingle: Bool { scale.count == 1 && zero?.count ?? 1 == 1 }
}

extension Exporter {
  fileprivate func dequantize(_ q: Value, _ p: Scale, axis: Int? = nil) throws -> Value {
    let x = Value(q.name + ".real")
    try write(
      Node(
        "DequantizeLinear", name: name(x), inputs: [q, p.scale, p.zero], outputs: [x],
        attributes: axis.map { ["axis": .int($0)] } ?? [:]))
    return x
  }

  fileprivate func quantize(_ x: Value, _ p: Scale, into q: Value) throws {
    // uint8 is what goes without saying.
    let isStated = p.zero != nil || q.dataType == .uint8
    try write(
      Node(
        "QuantizeLinear", name: name(q) + ".quantize", inputs: [x, p.scale, p.zero], outputs: [q],
        attributes: isStated ? [:] : ["output_dtype": .int(3)]))
  }

  /// DequantizeLinear of each tensor, `op`, QuantizeLinear of the result.
  fileprivate func writePairs(_ op: String, _ node: Node, _ places: ScalePlaces) throws {
    guard let y = node.outputs[0], let p = Scale(resultOf: node) else { return }
    let real = try places.tensors(of: node.inputs.count).map { i -> Value in
      guard let x = node.input(i), let p = Scale(node, i + 1) else {
        throw ONNXError("an input is missing")
      }
      return try dequantize(x, p)
    }
    let sum = Value(y.name + ".real")
    try write(
      any: Node(op, name: node.name, inputs: real, outputs: [sum], attributes: node.attributes))
    try quantize(sum, p, into: y)
  }
}

extension Exporter {
  /// Sums, products, means and joins: the operator of floats of the same name between a pair, or
  /// ONNX Runtime's.
  func writeQuantized(_ node: Node, _ places: ScalePlaces) throws {
    guard writesPairs else {
      return try write(withZeros(node, places), domain: Exporter.microsoft)
    }
    try writePairs(String(node.op.dropFirst("QLinear".count)), node, places)
  }
}

/// A Resize of integers that goes to the nearest: ONNX's cuts off, and rounds between a pair. Any pair
/// will do; that of the numbers themselves changes none.
func quantizedResize(_ node: Node, _ exporter: Exporter) throws {
  guard node.int("round", default: 0) != 0, let x = node.input(0), let y = node.outputs[0] else {
    return try exporter.write(node, dropping: ["round"])
  }
  let pair = Scale(
    Value(y.name + ".step", [], floats: [1]),
    Value(y.name + ".none", y.dataType, [], kind: .weight, bytes: [0]))
  let real = Value(y.name + ".real")
  let resize = Node(
    node.op, name: node.name, inputs: [try exporter.dequantize(x, pair)] + node.inputs.dropFirst(),
    outputs: [real], attributes: node.attributes)
  try exporter.write(resize, dropping: ["round"])
  try exporter.quantize(real, pair, into: y)
}

/// ONNX Runtime wants a zero point behind each scale, though it be 0.
private func withZeros(_ node: Node, _ places: ScalePlaces) -> Node {
  guard let type = node.outputs[0]?.dataType, let result = places.result else { return node }
  var inputs = node.inputs
  let scales = places.tensors(of: inputs.count).map { $0 + 1 } + [result]
  for i in scales where node.input(i + 1) == nil {
    while inputs.count <= i + 1 { inputs.append(nil) }
    inputs[i + 1] = Value(node.name + ".zero", type, [], kind: .weight, bytes: [0])
  }
  return Node(
    node.op, name: node.name, inputs: inputs, outputs: node.outputs, attributes: node.attributes)
}

/// QLinearConv and QLinearMatMul; as they are where a scale lies in a way that DequantizeLinear has no
/// words for.
func quantizedLayer(_ node: Node, _ exporter: Exporter) throws {
  let isConv = node.op == "QLinearConv"
  guard exporter.writesPairs, let a = node.input(0), let b = node.input(3), let y = node.outputs[0],
    let aScale = Scale(node, 1), let bScale = Scale(node, 4).flatMap(alike),
    let yScale = Scale(resultOf: node), let rank = b.shape?.count, aScale.isSingle, yScale.isSingle,
    bScale.isSingle || (bScale.scale.shape?.count == 1 && (isConv || rank > 1))
  else { return try exporter.write(node) }
  var bias: (Value, Scale)?
  if let integers = node.input(8) {
    guard let step = biasStep(aScale, bScale, integers) else { return try exporter.write(node) }
    bias = (integers, step)
  }
  var inputs = [
    try exporter.dequantize(a, aScale),
    try exporter.dequantize(b, bScale, axis: bScale.isSingle ? nil : isConv ? 0 : rank - 1),
  ]
  if let (integers, step) = bias {
    inputs.append(try exporter.dequantize(integers, step, axis: step.isSingle ? nil : 0))
  }
  let sums = Value(y.name + ".real")
  try exporter.write(
    Node(
      isConv ? "Conv" : "MatMul", name: node.name, inputs: inputs, outputs: [sums],
      attributes: node.attributes))
  try exporter.quantize(sums, yScale, into: y)
}

/// DequantizeLinear wants as many zero points as scales.
private func alike(_ p: Scale) -> Scale? {
  guard let zero = p.zero, zero.count != p.scale.count else { return p }
  guard zero.kind == .weight, p.scale.kind == .weight, p.scale.dataType == .float32,
    let n = p.scale.count, let m = zero.count
  else { return nil }
  if m == 1 {
    let all = (0..<n).map { _ in zero.bytes[0] }
    return Scale(
      p.scale, Value(zero.name, zero.dataType, p.scale.shape, kind: .weight, bytes: all))
  }
  guard n == 1 else { return nil }
  let all = [Float](repeating: p.scale.floats[0], count: m)
  return Scale(Value(p.scale.name, [m], floats: all), zero)
}

/// What a bias counts in: x scale · w scale.
private func biasStep(_ x: Scale, _ w: Scale, _ bias: Value) -> Scale? {
  guard x.scale.kind == .weight, w.scale.kind == .weight, x.scale.dataType == .float32,
    w.scale.dataType == .float32
  else { return nil }
  let steps = w.scale.floats.map { $0 * x.scale.floats[0] }
  return Scale(
    Value(bias.name + ".scale", steps.count == 1 ? [] : [steps.count], floats: steps), nil)
}

/// QLinearLookup: the operators that the table stands for, or a Gather of its bytes.
func quantizedFunction(_ node: Node, _ exporter: Exporter) throws {
  guard let x = node.input(0), let y = node.outputs[0], let table = node.input(3),
    let xScale = Scale(node, 1), let yScale = Scale(resultOf: node)
  else { throw ONNXError("an input is missing") }
  guard table.kind == .weight, let function = ByteFunction(node),
    let from = LinearQuantization(x.dataType, xScale.scale, xScale.zero),
    let to = LinearQuantization(y.dataType, yScale.scale, yScale.zero),
    function.table(from, to) == table.bytes
  else {
    let index = Value(x.name + ".index")
    try exporter.write(
      Node("Cast", name: exporter.name(index), inputs: [x], outputs: [index], attributes: ["to": .int(6)]))
    // As int8 the upper half counts from the end: at the same byte.
    let bytes = Value(table.name, y.dataType, [256], kind: .weight, bytes: table.bytes)
    let elements = table.kind == .weight ? bytes : table
    guard elements.dataType == y.dataType else { throw ONNXError("its table is not a constant") }
    return try exporter.write(
      Node("Gather", name: node.name, inputs: [elements, index], outputs: [y]))
  }
  if !exporter.writesPairs, function.steps.count == 1,
    ["Sigmoid", "LeakyRelu"].contains(function.steps[0].op)
  {
    let step = function.steps[0]
    return try exporter.write(
      Node(
        "QLinear" + step.op, name: node.name,
        inputs: [x, xScale.scale, xScale.zero, yScale.scale, yScale.zero], outputs: [y],
        attributes: step.op == "Sigmoid" ? [:] : ["alpha": .float(step.a)]),
      domain: Exporter.microsoft)
  }
  let first = try exporter.dequantize(x, xScale)
  var v = first
  // The number that the function of this part is of.
  var start = first
  for (i, step) in function.steps.enumerated() {
    let name = "\(y.name).\(i)"
    let next = Value(name)
    if step.op == "QuantizeLinear" {
      let q = Value(name + ".quantized", x.dataType)
      let p = Scale(
        Value(name + ".scale", [], floats: [step.a]),
        Value(
          name + ".zero_point", x.dataType, [], kind: .weight,
          bytes: [UInt8(truncatingIfNeeded: Int(step.b))]))
      try exporter.quantize(v, p, into: q)
      v = try exporter.dequantize(q, p)
      start = v
      continue
    }
    try exporter.write(any: floatNode(step, name, v, start, first, into: next))
    v = next
  }
  try exporter.quantize(v, yScale, into: y)
}

/// A step of a function as ONNX's operator.
private func floatNode(
  _ step: ByteFunction.Step, _ name: String, _ v: Value, _ start: Value, _ first: Value,
  into y: Value
) -> Node {
  func number(_ value: Float) -> Value { Value(name + ".number", [], floats: [value]) }
  var op = step.op
  var inputs: [Value?] = [v]
  var attributes: [String: Attribute] = [:]
  switch op {
  case "Product", "QLinearMul":
    inputs = [v, op == "Product" ? start : first]
    op = "Mul"
  case "LeakyRelu", "Elu", "Celu", "ThresholdedRelu": attributes["alpha"] = .float(step.a)
  case "Selu": attributes = ["alpha": .float(step.a), "gamma": .float(step.b)]
  case "HardSigmoid": attributes = ["alpha": .float(step.a), "beta": .float(step.b)]
  case "Gelu": if step.a != 0 { attributes["approximate"] = "tanh" }
  case "Clip":
    inputs += [
      step.a == -.infinity ? nil : number(step.a), step.b == .infinity ? nil : number(step.b),
    ]
  case "Add", "Mul", "Pow": inputs.append(number(step.a))
  case "Sub", "Div": inputs = step.b == 0 ? [v, number(step.a)] : [number(step.a), v]
  default: break
  }
  return Node(op, name: name, inputs: inputs, outputs: [y], attributes: attributes)
}
