import ModelFormat

/// Computes nodes of which every input is a constant, with the runtime's own kernels.
public enum ConstantEvaluator {
  /// Results larger than this stay nodes, unless their inputs are as large.
  private static let sizeLimit = 1 << 20

  /// The outputs as weights; nil where the node must stay.
  ///
  /// - Parameter limit: Bytes that they may have in all.
  public static func evaluate(_ node: Node, within limit: Int) -> [Value?]? {
    let inputs = node.inputs.compactMap { $0 }
    guard !inputs.isEmpty, inputs.allSatisfy({ $0.kind == .weight }) else { return nil }
    // Integers are what such weights are stored as for.
    if node.op == "DequantizeLinear" { return nil }
    let own = max(sizeLimit, 2 * inputs.reduce(0) { $0 + $1.bytes.count })
    return ShapeInference.compute(node, within: min(own, limit))
  }
}
