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
    var x = b.convNorm(
      input(b), maps(32), 3, stride: 2, padding: 1, epsilon: 0.001, name: "conv1")
    for (i, (count, stride)) in MobileNetV1.layers.enumerated() {
      let name = "conv\(i + 2)"
      x = b.convNorm(
        x, b.channels(x), 3, stride: stride, padding: 1, group: b.channels(x), epsilon: 0.001,
        name: name + ".depthwise")
      x = b.convNorm(x, maps(count), 1, epsilon: 0.001, name: name + ".pointwise")
    }
    x = dropout(b, b.meanOfMaps(x), isDeployed: isDeployed, name: "dropout")
    return try finish(b, b.dense(x, classes, name: "output"), "MobileNet v1")
  }
}
