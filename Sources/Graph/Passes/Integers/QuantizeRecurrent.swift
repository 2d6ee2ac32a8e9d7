import ModelFormat
import Operators

extension Graph {
  /// Turns every RNN, LSTM and GRU whose weights are constants into the operator that has them in 8
  /// bits: int8 from −127 to 127, the scale of a column (a unit's gate) its largest magnitude / 127. What
  /// they multiply is rounded as it comes, so that no calibration is needed.
  ///
  /// - Returns: The layers that it turned.
  @discardableResult
  public func quantizeRecurrent() -> [Node] {
    var layers: [Node] = []
    for function in functions {
      for i in function.nodes.indices {
        guard let node = dynamicForm(function.nodes[i]) else { continue }
        function.nodes[i] = node
        layers.append(node)
      }
    }
    return layers
  }

  private func dynamicForm(_ node: Node) -> Node? {
    guard let name = dynamicNames[node.op], let w = Columns(node.input(1)),
      let r = Columns(node.input(2))
    else { return nil }
    let inputs = node.op == "LSTM" ? 8 : 6
    // B and the peepholes are packed with the weights.
    for i in [3, 7] {
      if let value = node.input(i), i < inputs, value.kind != .weight { return nil }
    }
    var all = (0..<inputs).map { node.input($0) }
    all[1] = w.integers
    all[2] = r.integers
    all += [w.scales, w.zeros, r.scales, r.zeros]
    return Node(
      name, name: node.name, inputs: all, outputs: node.outputs, attributes: node.attributes)
  }
}

private let dynamicNames = [
  "RNN": "DynamicQuantizeRNN", "LSTM": "DynamicQuantizeLSTM", "GRU": "DynamicQuantizeGRU",
]

/// A weight [D, columns, depth] as integers [D, depth, columns].
private struct Columns {
  let integers: Value
  let scales: Value
  let zeros: Value

  init?(_ weight: Value?) {
    guard let weight, weight.hasRealFloats, let shape = weight.fixedShape, shape.count == 3,
      shape[2] <= 33_025
    else { return nil }
    let floats = weight.realFloats
    guard floats.allSatisfy(\.isFinite) else { return nil }
    let (rows, depth) = (shape[1], shape[2])
    var bytes = [UInt8](repeating: 0, count: floats.count)
    var scales: [Float] = []
    for column in 0..<shape[0] * rows {
      let numbers = floats[column * depth..<(column + 1) * depth]
      let largest = numbers.reduce(0) { max($0, abs($1)) }
      // Of a column so small that its scale would be 0, nothing is left.
      let scale = largest / 127 > 0 ? largest / 127 : 1
      scales.append(scale)
      let start = column / rows * rows * depth + column % rows
      for (k, number) in numbers.enumerated() {
        let q = max(-127, min(127, (number / scale).rounded(.toNearestOrEven)))
        bytes[start + k * rows] = UInt8(bitPattern: Int8(q))
      }
    }
    integers = Value(
      weight.name, .int8, [shape[0], depth, rows].map { .fixed($0) }, kind: .weight, bytes: bytes)
    self.scales = Value(weight.name + ".scale", [shape[0], rows], floats: scales)
    zeros = Value(
      weight.name + ".zero_point", .int8, [shape[0], rows].map { .fixed($0) }, kind: .weight,
      bytes: [UInt8](repeating: 0, count: scales.count))
  }
}
