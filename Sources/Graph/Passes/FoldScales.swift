/// Products and quotients with constants by channel become part of the weights of a layer beside
/// them; so does c − x behind a layer.
let foldScales = GraphPass(
  "fold-scales", "Make Mul, Div and Neg by constants part of the weights of a layer beside them"
) { editor in
  foldChannelMaps(editor) { node, map in
    guard ["Mul", "Div", "Neg", "Sub"].contains(node.op) else { return false }
    // x − c is a bias.
    return map?.hasScale ?? true
  }
}
