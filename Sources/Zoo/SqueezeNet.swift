import Graph

/// F. N. Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and < 0.5 MB
/// model size", 2016, section 3 and Table 1: Fire modules, which squeeze to a few maps by 1 × 1 and
/// expand them by 1 × 1 and 3 × 3 side by side; no dense layer.
///
///     1.0   1,248,424 parameters
///     1.1   1,235,496: the authors' later release, with fewer products by more than half
///
/// torchvision's counts too.
public struct SqueezeNet: ImageClassifier {
  public var classes = 1000
  public var channels = 3
  public var size = 224
  public var width = 1.0
  public var dropout: Float = 0.5
  public var seed: UInt64 = 1
  public var version = Version.first

  public enum Version: String, CaseIterable {
    case first = "1.0"
    case second = "1.1"
  }

  public init() {}

  /// Maps that a Fire module squeezes to; it expands to 4 times as many on either side.
  private static let squeezed = [16, 16, 32, 32, 48, 48, 64, 64]

  public func graph(isDeployed: Bool) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let isFirst = version == .first
    // Fire modules are numbered from 2 on; pooling stands behind these.
    let pooled = isFirst ? [4, 8] : [3, 5]
    var x = b.convRelu(
      input(b), maps(isFirst ? 96 : 64), isFirst ? 7 : 3, stride: 2, name: "conv1")
    x = b.maxPool3(x, roundsUp: true, name: "pool1")
    for (i, squeezed) in SqueezeNet.squeezed.enumerated() {
      let name = "fire\(i + 2)"
      let narrow = b.convRelu(x, maps(squeezed), 1, name: name + ".squeeze")
      x = b.concat(
        [
          b.convRelu(narrow, maps(4 * squeezed), 1, name: name + ".expand1x1"),
          b.convRelu(narrow, maps(4 * squeezed), 3, padding: 1, name: name + ".expand3x3"),
        ], axis: 1)
      if pooled.contains(i + 2) { x = b.maxPool3(x, roundsUp: true, name: "pool\(i + 2)") }
    }
    x = dropout(b, x, isDeployed: isDeployed, name: "dropout")
    x = b.convRelu(x, classes, 1, name: "conv10")
    return try finish(b, b.meanOfMaps(x), "SqueezeNet \(version.rawValue)")
  }
}
