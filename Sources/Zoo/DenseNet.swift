import Graph

/// G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger, "Densely connected convolutional networks",
/// 2017, section 3 and Table 1 (DenseNet-BC, growth 32): each layer sees the maps of all layers before
/// it in its block; between the blocks half of the maps go on (compression 0.5).
///
///     DenseNet-121    7,978,856 parameters
///     DenseNet-169   14,149,480
///     DenseNet-201   20,013,928
///
/// torchvision's counts too.
public struct DenseNet: ImageClassifier {
  public var classes = 1000
  public var channels = 3
  public var size = 224
  public var width = 1.0
  /// After each layer of a block, for small data sets (section 4.2).
  public var dropout: Float = 0
  public var seed: UInt64 = 1
  public var depth = 121

  /// Layers in each block.
  public static let blocks = [
    121: [6, 12, 24, 16], 169: [6, 12, 32, 32], 201: [6, 12, 48, 32],
  ]

  public init() {}

  public func graph(isDeployed: Bool) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    guard let blocks = DenseNet.blocks[depth] else {
      throw GraphError("DenseNet: there is none of \(depth) layers")
    }
    let growth = maps(32)
    var x = b.convNorm(input(b), 2 * growth, 7, stride: 2, padding: 3, name: "conv0")
    x = b.maxPool3(x, padding: 1, name: "pool0")
    for (block, layers) in blocks.enumerated() {
      for layer in 1...layers {
        let name = "block\(block + 1).\(layer)"
        var y = normConv(b, x, 4 * growth, 1, name: name + ".1x1")
        y = normConv(b, y, growth, 3, name: name + ".3x3")
        y = dropout(b, y, isDeployed: isDeployed, name: name + ".dropout")
        x = b.concat([x, y], axis: 1)
      }
      if block < blocks.count - 1 {
        let name = "transition\(block + 1)"
        x = normConv(b, x, b.channels(x) / 2, 1, name: name)
        x = b.averagePool(x, kernel: [2, 2], name: name + ".pool")
      }
    }
    x = b.relu(b.batchNormalization(x, name: "norm5"))
    return try finish(
      b, b.dense(b.meanOfMaps(x), classes, name: "output"), "DenseNet-\(depth)")
  }

  /// Batch normalisation, ReLU, convolution: in this order.
  private func normConv(
    _ b: GraphBuilder, _ x: Value, _ maps: Int, _ kernel: Int, name: String
  ) -> Value {
    b.conv(
      b.relu(b.batchNormalization(x, name: name + ".norm")), outChannels: maps,
      kernel: [kernel, kernel], padding: [kernel / 2, kernel / 2], bias: false, initializer: .he,
      name: name)
  }
}
