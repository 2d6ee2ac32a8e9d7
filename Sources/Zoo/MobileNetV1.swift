import Graph

/// A. G. Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision
/// applications", 2017, section 3 and Table 1: a convolution and 13 depthwise separable ones, each
/// with batch normalisation and ReLU after both of its halves. `width` is the paper's α.
///
///     4,231,976 parameters (the paper's 4.2 million); 4,253,864 with the means and variances of batch
///     normalisation, as Keras counts
public struct MobileNetV1: ImageClassifier {
  public var classes = 1000
  public var channels = 3
  public var size = 224
  public var width = 1.0
  /// Before the output.
  public var dropout: Float = 0.001
  public var seed: UInt64 = 1

  public init() {}

  /// Maps and stride of each separable convolution.
  private static let layers = [
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1),
    (512, 1), (512, 1), (1024, 2), (1024, 1),
  ]

  public func graph(isDeployed: Bool) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    var x = norm(b, input(b), maps(32), 3, stride: 2, name: "conv1")
    for (i, (count, stride)) in MobileNetV1.layers.enumerated() {
      let name = "conv\(i + 2)"
      let channels = b.channels(x)
      x = norm(b, x, channels, 3, stride: stride, group: channels, name: name + ".depthwise")
      x = norm(b, x, maps(count), 1, name: name + ".pointwise")
    }
    x = dropout(b, b.meanOfMaps(x), isDeployed: isDeployed, name: "dropout")
    return try finish(
      b, b.dense(x, classes, initializer: .smallNormal, name: "output"), "MobileNet v1")
  }

  private func norm(
    _ b: GraphBuilder, _ x: Value, _ maps: Int, _ kernel: Int, stride: Int = 1, group: Int = 1,
    name: String
  ) -> Value {
    b.convNorm(
      x, maps, kernel, stride: stride, padding: kernel / 2, group: group, epsilon: 0.001,
      initializer: .depthwiseNetwork(maps, kernel), name: name)
  }
}
