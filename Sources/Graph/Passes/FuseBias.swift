/// A constant that is added to the result of a layer becomes its bias, one behind a
/// BatchNormalization part of that. A MatMul of matrices becomes a Gemm.
let fuseBias = GraphPass(
  "fuse-bias", "Make a constant that is added behind a layer its bias"
) { editor in
  var count = 0
  for node in editor.nodes where node.op == "Add" || node.op == "Sub" {
    if node.op == "Add", ChannelMap.foldIntoNormalization(node, editor) {
      count += 1
      continue
    }
    guard let layer = node.inputs.lazy.compactMap({ LinearLayer(editor.producer(of: $0)) }).first,
      let map = ChannelMap(
        node, rank: layer.rank, axis: layer.outputAxis, channels: layer.outputs),
      !map.hasScale, map.foldIntoLayerBefore(node, editor, layer)
    else { continue }
    count += 1
  }
  return count
}
