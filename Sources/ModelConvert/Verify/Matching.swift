/// Which tensors of two models are the same.
struct Matching {
  struct Pair {
    /// Of the tested model; nil for a function output that no layer makes.
    let layer: Capture.Layer?
    let name: String
    let tested: Capture.Value
    let reference: Capture.Value
  }

  private(set) var pairs: [Pair] = []
  /// Layers of the tested model that nothing was found for.
  private(set) var unmatched: [Capture.Layer] = []

  init(_ a: Capture, _ b: Capture) {
    var named: [String: Capture.Value] = [:]
    // Of a quantised tensor without a name of its own the layer's name tells which it is.
    var alone: [String: Capture.Value] = [:]
    for layer in b.layers {
      for value in layer.outputs where !value.name.isEmpty { named[value.name] = value }
      if layer.outputs.count == 1 { alone[layer.name] = layer.outputs[0] }
    }
    let given = Dictionary(
      (b.inputs + b.layers.flatMap(\.outputs)).map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    let names = Dictionary(
      (a.inputs + a.layers.flatMap(\.outputs)).map { ($0.tensor, $0.name) },
      uniquingKeysWith: { $1 })
    let sameOrder = a.layers.count == b.layers.count
    var outputNames: Set<String> = []
    for (i, layer) in a.layers.enumerated() {
      var found = false
      for (k, value) in layer.outputs.enumerated() {
        var other = value.name.isEmpty ? nil : named[value.name]
        if other == nil, sameOrder, k < b.layers[i].outputs.count,
          b.layers[i].operator == layer.operator
        {
          other = b.layers[i].outputs[k]
        }
        if other == nil, ["QuantizeLinear", "DequantizeLinear"].contains(layer.operator),
          let source = layer.inputs.first.flatMap({ names[$0] }), !source.isEmpty
        {
          other = given[source]
        }
        if other == nil, value.quantization != nil, layer.outputs.count == 1 {
          other = alone[layer.name]
        }
        guard let other, Matching.isAlike(value, other) else { continue }
        let name =
          !value.name.isEmpty
          ? value.name : layer.outputs.count > 1 ? "\(layer.name) output \(k)" : layer.name
        pairs.append(Pair(layer: layer, name: name, tested: value, reference: other))
        outputNames.insert(value.name)
        found = true
      }
      if !found { unmatched.append(layer) }
    }
    // Outputs are compared in any case, by name or by position.
    for (i, value) in a.outputs.enumerated() where !outputNames.contains(value.name) {
      let other =
        b.outputs.first { $0.name == value.name } ?? (i < b.outputs.count ? b.outputs[i] : nil)
      guard let other, other.shape == value.shape else { continue }
      pairs.append(Pair(layer: nil, name: value.name, tested: value, reference: other))
    }
  }

  /// Quantised layers may have axes of 1 that the float ones have not.
  private static func isAlike(_ a: Capture.Value, _ b: Capture.Value) -> Bool {
    a.shape == b.shape
      || a.quantization != nil && a.values.count == b.values.count
        && a.shape.filter { $0 != 1 } == b.shape.filter { $0 != 1 }
  }
}
