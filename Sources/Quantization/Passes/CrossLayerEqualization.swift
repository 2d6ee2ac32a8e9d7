import Graph
import ModelFormat

/// M. Nagel et al., "Data-free quantization through weight equalization and bias correction", ICCV
/// 2019, section 4.1: where a channel of one layer is all that a channel of the next reads, W1 / s
/// and W2 · s compute the same. With the largest weights r1 and r2 of the channel, s = √(r1 / r2)
/// makes both ranges equal, so that no channel is small beside the others.
///
/// Between the two may stand what scales along: Relu, LeakyRelu, pooling.
public let crossLayerEqualization = GraphPass(
  "cross-layer-equalization", "Make the channels of layers that follow each other alike in range",
  isLast: true
) { editor in
  let pairs = editor.nodes.compactMap { LayerPair($0, editor) }
  var changed: Set<Int> = []
  for _ in 0..<20 {
    var largest = 1.0
    for (i, pair) in pairs.enumerated() {
      let change = pair.equalize(editor)
      if change > 1.001 { changed.insert(i) }
      largest = max(largest, change)
    }
    if largest < 1.01 { break }
  }
  return changed.count
}

private struct LayerPair {
  private let first: Node
  private let second: Node

  init?(_ node: Node, _ editor: FunctionEditor) {
    guard let layer = LinearLayer(node), node.op == "Conv" || node.op == "Gemm",
      layer.bias != nil, LayerPair.isHomogeneous(node), editor.isOwned(layer.weight)
    else { return nil }
    var value = node.outputs[0]
    while let y = value, let reader = editor.onlyReader(of: y), reader.input(0) === y {
      if let next = LinearLayer(reader) {
        guard editor.isOwned(next.weight), next.inputs == layer.outputs,
          next.inputAxis == layer.outputAxis
        else { return nil }
        first = node
        second = reader
        return
      }
      guard LayerPair.scaling.contains(reader.op), reader.outputs.compactMap({ $0 }).count == 1,
        LayerPair.isHomogeneous(reader)
      else { return nil }
      value = reader.outputs[0]
    }
    return nil
  }

  private static let scaling: Set<String> = [
    "Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool", "Identity", "Clip",
  ]

  /// Whether f(s x) = s f(x) for s > 0.
  private static func isHomogeneous(_ node: Node) -> Bool {
    guard let limits = node.limits else { return false }
    return [0, -Float.infinity].contains(limits.lower) && [0, Float.infinity].contains(limits.upper)
  }

  /// - Returns: By how much the channel that changed most was scaled.
  func equalize(_ editor: FunctionEditor) -> Double {
    guard let a = LinearLayer(first), let b = LinearLayer(second), let bias = a.bias else {
      return 1
    }
    let scales = zip(a.largest(byOutput: true), b.largest(byOutput: false)).map { r1, r2 in
      r1 > 0 && r2 > 0 ? (r1 / r2).squareRoot() : 1
    }
    let inverse = scales.map { 1 / $0 }
    guard scales.allSatisfy({ $0.isFinite && $0 > 0 }),
      let w1 = a.weight(times: inverse, byOutput: true),
      let w2 = b.weight(times: scales, byOutput: false)
    else { return 1 }
    let hasBias = first.input(2) != nil
    a.set(editor, weight: w1, bias: hasBias ? zip(bias, inverse).map { $0 * $1 } : nil)
    b.set(editor, weight: w2, bias: nil)
    return scales.reduce(1) { max($0, $1, 1 / $1) }
  }
}
