/// Batch normalisation becomes part of the weights of a layer that stands before it or behind it.
/// With g = scale / √(variance + ε) by channel, behind a layer:
///
///     W ← g W,   b ← g (b − mean) + shift.
///
/// Before a layer: W ← W g by input channel, b ← b + Σ W (shift − g mean), which is exact only where
/// nothing is padded.
let foldBatchNormalization = GraphPass(
  "fold-batch-normalization", "Make BatchNormalization part of the weights of a layer beside it"
) { editor in
  foldChannelMaps(editor) { node, _ in node.op == "BatchNormalization" }
}

/// Folds the nodes that `isWanted` accepts, given what they do.
func foldChannelMaps(
  _ editor: FunctionEditor, isWanted: (Node, ChannelMap?) -> Bool
) -> Int {
  var count = 0
  for node in editor.nodes where isWanted(node, nil) {
    guard let y = node.outputs[0], node.outputs.count == 1 else { continue }
    let before = node.inputs.lazy.compactMap { LinearLayer(editor.producer(of: $0)) }.first
    if let layer = before,
      let map = ChannelMap(
        node, rank: layer.rank, axis: layer.outputAxis, channels: layer.outputs),
      isWanted(node, map), map.foldIntoLayerBefore(node, editor, layer)
    {
      count += 1
      continue
    }
    if let layer = LinearLayer(editor.onlyReader(of: y)),
      let map = ChannelMap(node, rank: layer.rank, axis: layer.inputAxis, channels: layer.inputs),
      isWanted(node, map), map.foldIntoLayerBehind(node, editor, layer)
    {
      count += 1
    }
  }
  return count
}
