import Graph

/// M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, "MobileNetV2: inverted residuals and linear
/// bottlenecks", 2018, section 4 and Table 2: each block expands its few maps sixfold, convolves each
/// of them alone and projects back without an activation; ReLU6 elsewhere.
///
///     3,504,872 parameters: the paper's 3.4 million and torchvision's count
public struct MobileNetV2: ImageClassifier {
  public var classes = 1000
  public var channels = 3
  public var size = 224
  public var width = 1.0
  public var dropout: Float = 0.2
  public var seed: UInt64 = 1

  public init() {}

  /// Table 2: expansion, maps, blocks, stride of the first.
  private static let stages = [
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
  ]

  public func graph(isDeployed: Bool) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    var x = relu6(b, norm(b, input(b), maps(32), 3, stride: 2, name: "conv1"))
    for (stage, (expansion, count, blocks, stride)) in MobileNetV2.stages.enumerated() {
      for block in 0..<blocks {
        x = inverted(
          b, x, maps(count), expansion: expansion, stride: block == 0 ? stride : 1,
          name: "stage\(stage + 1).\(block + 1)")
      }
    }
    x = relu6(b, norm(b, x, maps(1280), 1, name: "conv9"))
    x = dropout(b, b.meanOfMaps(x), isDeployed: isDeployed, name: "dropout")
    return try finish(
      b, b.dense(x, classes, initializer: .smallNormal, name: "output"), "MobileNet v2")
  }

  private func inverted(
    _ b: GraphBuilder, _ x: Value, _ count: Int, expansion: Int, stride: Int, name: String
  ) -> Value {
    var y = x
    if expansion != 1 {
      y = relu6(b, norm(b, x, expansion * b.channels(x), 1, name: name + ".expand"))
    }
    let channels = b.channels(y)
    y = relu6(
      b, norm(b, y, channels, 3, stride: stride, group: channels, name: name + ".depthwise"))
    y = norm(b, y, count, 1, name: name + ".project")
    return stride == 1 && b.channels(x) == count ? b.add(x, y) : y
  }

  private func norm(
    _ b: GraphBuilder, _ x: Value, _ maps: Int, _ kernel: Int, stride: Int = 1, group: Int = 1,
    name: String
  ) -> Value {
    b.convNorm(
      x, maps, kernel, stride: stride, padding: kernel / 2, group: group, relu: false,
      initializer: .depthwiseNetwork(maps, kernel), name: name)
  }

  private func relu6(_ b: GraphBuilder, _ x: Value) -> Value {
    b.node("Clip", [x, b.constant("", [], [0]), b.constant("", [], [6])])
  }
}
