import Graph

/// F. Chollet, "Xception: deep learning with depthwise separable convolutions", 2017, section 4 and
/// Figure 5: entry flow, eight middle blocks, exit flow; each separable convolution is one for each
/// map alone and then one of 1 × 1, without an activation between them.
///
///     22,855,952 parameters; 22,910,480 with the means and variances of batch normalisation, as the
///     author's Keras counts
public struct Xception: ImageClassifier {
  public var classes = 1000
  public var channels = 3
  public var size = 299
  public var width = 1.0
  /// Before the output (section 4.4).
  public var dropout: Float = 0.5
  public var seed: UInt64 = 1
  /// Of the middle flow.
  public var blocks = 8

  public init() {}

  public func graph(isDeployed: Bool) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    var x = norm(b, input(b), 32, 3, stride: 2, name: "entry.conv1")
    x = norm(b, x, 64, 3, name: "entry.conv2")
    for (i, count) in [128, 256, 728].enumerated() {
      x = halving(b, x, [count, count], startsWithRelu: i > 0, name: "entry.block\(i + 1)")
    }
    for block in 1...max(blocks, 1) {
      var y = x
      for layer in 1...3 {
        y = separable(b, b.relu(y), 728, name: "middle.block\(block).\(layer)")
      }
      x = b.add(y, x)
    }
    x = halving(b, x, [728, 1024], startsWithRelu: true, name: "exit.block")
    x = b.relu(separable(b, x, 1536, name: "exit.conv1"))
    x = b.relu(separable(b, x, 2048, name: "exit.conv2"))
    x = dropout(b, b.meanOfMaps(x), isDeployed: isDeployed, name: "dropout")
    return try finish(
      b, b.dense(x, classes, initializer: .smallNormal, name: "output"), "Xception")
  }

  private func norm(
    _ b: GraphBuilder, _ x: Value, _ count: Int, _ kernel: Int, stride: Int = 1, relu: Bool = true,
    name: String
  ) -> Value {
    b.convNorm(
      x, maps(count), kernel, stride: stride, relu: relu, epsilon: 0.001,
      initializer: .depthwiseNetwork(maps(count), kernel), name: name)
  }

  private func separable(_ b: GraphBuilder, _ x: Value, _ count: Int, name: String) -> Value {
    let y = b.conv(
      x, outChannels: b.channels(x), kernel: [3, 3], padding: [1, 1], group: b.channels(x),
      bias: false, initializer: .depthwiseNetwork(b.channels(x), 3), name: name + ".depthwise")
    return norm(b, y, count, 1, relu: false, name: name)
  }

  /// Two separable convolutions, pooling, and a 1 × 1 convolution around them.
  private func halving(
    _ b: GraphBuilder, _ x: Value, _ counts: [Int], startsWithRelu: Bool, name: String
  ) -> Value {
    var y = separable(b, startsWithRelu ? b.relu(x) : x, counts[0], name: name + ".1")
    y = separable(b, b.relu(y), counts[1], name: name + ".2")
    y = b.maxPool3(y, padding: 1, name: name + ".pool")
    return b.add(
      y, norm(b, x, counts[1], 1, stride: 2, relu: false, name: name + ".shortcut"))
  }
}
