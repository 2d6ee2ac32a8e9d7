import Graph

/// A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet classification with deep convolutional neural
/// networks", 2012, section 3: five convolutions, response normalisation after the first two (3.3),
/// overlapping pooling (3.4), three dense layers with dropout (4.2).
///
///     published    60,965,224 parameters: two groups, one for each of the paper's GPUs
///     ungrouped    62,378,344: the same layers without groups
///     torchvision  61,100,840: the narrower layers of A. Krizhevsky, "One weird trick for
///                  parallelizing convolutional neural networks", 2014, without normalisation
///
/// The paper's pictures of 224 are 227 here, for which its numbers of places come out (55, 27, 13, 6).
public struct AlexNet: ImageClassifier {
  public var classes = 1000
  public var channels = 3
  public var size = 227
  public var width = 1.0
  public var dropout: Float = 0.5
  public var seed: UInt64 = 1
  public var form = Form.published

  public enum Form: String, CaseIterable {
    case published, ungrouped, torchvision
  }

  public init() {}

  public func graph(isDeployed: Bool) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let y = features(b, input(b), isDeployed: isDeployed)
    return try finish(b, b.dense(y.units, classes, name: "fc8"), "AlexNet")
  }

  /// Pictures [N, channels, size, size] to what the last pooling leaves, as rows, and the last hidden
  /// units [N, 4096].
  func features(
    _ b: GraphBuilder, _ image: Value, isDeployed: Bool
  ) -> (maps: Value, units: Value) {
    let plain = form == .torchvision
    let group = form == .published ? 2 : 1
    let counts = (plain ? [64, 192, 384, 256, 256] : [96, 256, 384, 384, 256]).map(maps)
    var x = b.convRelu(
      image, counts[0], 11, stride: 4, padding: plain ? 2 : 0, name: "conv1")
    x = b.maxPool3(normalize(b, x, name: "norm1"), name: "pool1")
    x = b.convRelu(x, counts[1], 5, padding: 2, group: group, name: "conv2")
    x = b.maxPool3(normalize(b, x, name: "norm2"), name: "pool2")
    x = b.convRelu(x, counts[2], 3, padding: 1, name: "conv3")
    x = b.convRelu(x, counts[3], 3, padding: 1, group: group, name: "conv4")
    x = b.convRelu(x, counts[4], 3, padding: 1, group: group, name: "conv5")
    let pooled = b.flatten(b.maxPool3(x, name: "pool5"))
    x = pooled
    for name in ["fc6", "fc7"] {
      // In training before the layer in torchvision's and after it in the paper's: the same network,
      // but for the pooled maps, which the paper leaves whole.
      if plain { x = dropout(b, x, isDeployed: isDeployed, name: name + ".dropout") }
      x = b.dense(x, maps(4096), activation: .relu, name: name)
      if !plain { x = dropout(b, x, isDeployed: isDeployed, name: name + ".dropout") }
    }
    return (pooled, x)
  }

  /// Section 3.3 with k = 2, n = 5, α = 10⁻⁴, β = 0.75. The operator divides α by n.
  private func normalize(_ b: GraphBuilder, _ x: Value, name: String) -> Value {
    if form == .torchvision { return x }
    return b.node(
      "LRN", name: name, [x],
      ["size": 5, "alpha": .float(5e-4), "beta": .float(0.75), "bias": .float(2)])
  }
}
