import ModelFormat

/// A ReLU or Clip behind a layer becomes the layer's own clip: the same bits, without another pass
/// over the tensor. The runtime's layers clip as Clip does: y = min(max(y, low), high), NaN stays.
let fuseActivations = GraphPass(
  "fuse-activations", "Make Relu and Clip part of the Conv, ConvTranspose or Gemm before them"
) { editor in
  var count = 0
  for node in editor.nodes where node.op == "Relu" || node.op == "Clip" {
    guard let (low, high) = node.limits,
      let layer = editor.exclusiveProducer(of: node.input(0)), canClip(layer),
      let before = layer.limits
    else { continue }
    // Two clips are one, between the first one's limits as the second clips them.
    func clip(_ v: Float) -> Float { min(max(v, low), high) }
    let limits = (clip(before.lower), clip(before.upper))
    layer.op = layer.op == "MatMul" ? "Gemm" : layer.op
    layer.attributes["activation_minimum"] = limits.0 == -.infinity ? nil : .float(limits.0)
    layer.attributes["activation_maximum"] = limits.1 == .infinity ? nil : .float(limits.1)
    editor.absorb(node, into: layer)
    count += 1
  }
  return count
}

/// Layers of float32 that have a clip; a MatMul of matrices is a Gemm without a bias.
private func canClip(_ layer: Node) -> Bool {
  guard layer.inputs.allSatisfy({ $0 == nil || $0!.logicalType == .float32 }) else { return false }
  switch layer.op {
  case "Conv", "ConvTranspose", "Gemm": return true
  case "MatMul":
    return layer.inputs.allSatisfy { $0?.shape?.count == 2 }
  default: return false
  }
}
