import Graph
import ModelFormat

// Recurrent layers with weights of 8 bits. ONNX Runtime has the LSTM of them; of the others it gets
// the float operator with the weights that the integers stand for.

func dynamicLSTM(_ node: Node, _ exporter: Exporter) throws {
  guard node.int("layout", default: 0) == 0, let type = node.input(1)?.dataType else {
    return try dynamicRecurrent(node, exporter)
  }
  // Which wants zero points, though they be 0.
  var inputs = node.inputs
  for (i, scale) in [(9, 8), (11, 10)] where node.input(i) == nil {
    while inputs.count <= i { inputs.append(nil) }
    guard let scales = inputs[scale], let count = scales.count else { continue }
    inputs[i] = Value(
      scales.name + ".zero", type, scales.shape, kind: .weight,
      bytes: [UInt8](repeating: 0, count: count))
  }
  let layer = Node(
    node.op, name: node.name, inputs: inputs, outputs: node.outputs, attributes: node.attributes)
  try exporter.write(layer, dropping: ["layout"], domain: Exporter.microsoft)
}

func dynamicRecurrent(_ node: Node, _ exporter: Exporter) throws {
  let op = String(node.op.dropFirst("DynamicQuantize".count))
  let count = op == "LSTM" ? 8 : 6
  var inputs = (0..<count).map { node.input($0) }
  inputs[1] = try floats(node, 1, scale: count)
  inputs[2] = try floats(node, 2, scale: count + 2)
  while inputs.last! == nil { inputs.removeLast() }
  try exporter.write(
    Node(op, name: node.name, inputs: inputs, outputs: node.outputs, attributes: node.attributes))
}

/// Input `i`, integers [D, depth, columns], as floats [D, columns, depth].
private func floats(_ node: Node, _ i: Int, scale: Int) throws -> Value {
  guard let weight = node.input(i), let q = weight.smallIntegers, let shape = weight.fixedShape,
    shape.count == 3, let scales = node.input(scale), scales.kind == .weight
  else { throw ONNXError("its weights are no constants") }
  let zeros = node.input(scale + 1)
  let zeroPoints = zeros?.smallIntegers ?? [0]
  let (depth, columns) = (shape[1], shape[2])
  let numbers = scales.floats
  var result = [Float](repeating: 0, count: q.count)
  for column in 0..<shape[0] * columns {
    // One for the direction, or for the column.
    func index(_ count: Int) -> Int {
      count == 1 ? 0 : count == shape[0] ? column / columns : column
    }
    let zero = zeroPoints[index(zeroPoints.count)]
    let step = numbers[index(numbers.count)]
    let start = column / columns * columns * depth + column % columns
    for k in 0..<depth { result[column * depth + k] = Float(q[start + k * columns] - zero) * step }
  }
  return Value(weight.name + ".real", [shape[0], columns, depth], floats: result)
}
