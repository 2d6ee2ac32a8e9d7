/// Products and quotients with constants by channel become part of the weights of a layer beside
/// them, or of a BatchNormalization before them; so does c − x behind one.
let foldScales = GraphPass(
  "fold-scales", "Make Mul, Div and Neg by constants part of the weights of a layer beside them"
) { editor in
  var count = foldChannelMaps(editor) { node, map in
    // x − c is a bias.
    scales.contains(node.op) && map?.hasScale ?? true
  }
  for node in editor.nodes where scales.contains(node.op) {
    if ChannelMap.foldIntoNormalization(node, editor) { count += 1 }
  }
  return count
}

private let scales: Set<String> = ["Mul", "Div", "Neg", "Sub"]
