import ModelFormat

/// Batch normalisation behind a convolution or a dense layer becomes part of its weights. With
/// g = scale / √(variance + ε) by output channel:
///
///     W ← g W,   b ← g (b − mean) + shift.
let foldBatchNormalization = GraphPass(
  "fold-batch-normalization", "Make BatchNormalization part of the weights of the layer before it"
) { editor in
  var count = 0
  for node in editor.nodes
  where node.op == "BatchNormalization" && node.int("training_mode", default: 0) == 0 {
    guard let layer = editor.exclusiveProducer(of: node.input(0)),
      layer.op == "Conv" || (layer.op == "Gemm" && layer.int("transB", default: 0) == 1),
      layer.float("beta", default: 1) == 1, layer.float("alpha", default: 1) == 1,
      layer.attributes["activation_minimum"] == nil, layer.attributes["activation_maximum"] == nil,
      let w = layer.input(1), w.isPlainWeight, let channels = w.fixedShape?.first,
      editor.isOwned(w)
    else { continue }
    let numbers = (1...4).compactMap { node.input($0) }.filter(\.isPlainWeight).map(\.floats)
    let bias = layer.input(2)
    guard numbers.count == 4, numbers.allSatisfy({ $0.count == channels }),
      bias == nil || (bias!.isPlainWeight && bias!.floats.count == channels)
    else { continue }
    let epsilon = node.float("epsilon", default: 1e-5)
    let old = bias?.floats ?? [Float](repeating: 0, count: channels)
    var weights = w.floats
    var shift = [Float](repeating: 0, count: channels)
    let width = weights.count / max(channels, 1)
    for c in 0..<channels {
      let g = Double(numbers[0][c]) / (Double(numbers[3][c]) + Double(epsilon)).squareRoot()
      for i in 0..<width { weights[c * width + i] = Float(g * Double(weights[c * width + i])) }
      shift[c] = Float(g * (Double(old[c]) - Double(numbers[2][c])) + Double(numbers[1][c]))
    }
    editor.setInput(1, of: layer, to: Value(w.name, w.fixedShape!, floats: weights))
    editor.setInput(
      2, of: layer, to: Value(bias?.name ?? layer.name + ".bias", [channels], floats: shift))
    editor.absorb(node, into: layer)
    count += 1
  }
  return count
}

extension Value {
  /// A float32 weight whose numbers can be computed with.
  var isPlainWeight: Bool { kind == .weight && dataType == .float32 && quantization == nil }

  /// The shape, where it is known before a run.
  var knownShape: [Dimension]? { isBound ? nil : shape }
}
