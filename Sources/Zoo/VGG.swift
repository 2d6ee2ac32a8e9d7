import Graph

/// K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image recognition",
/// 2015, Table 1, configurations A, B, D and E: convolutions of 3 × 3 in five stages, each with half of
/// the places of the one before it, and three dense layers with dropout.
///
///     VGG-11   132,863,336 parameters
///     VGG-13   133,047,848
///     VGG-16   138,357,544
///     VGG-19   143,667,240
///
/// torchvision's counts too. Its batch-normalised form is an option.
public struct VGG: ImageClassifier {
  public var classes = 1000
  public var channels = 3
  public var size = 224
  public var width = 1.0
  public var dropout: Float = 0.5
  public var seed: UInt64 = 1
  public var depth = 16
  /// After each convolution; not in the paper, which is older.
  public var isNormalized = false

  /// Convolutions in each stage.
  public static let stages = [
    11: [1, 1, 2, 2, 2], 13: [2, 2, 2, 2, 2], 16: [2, 2, 3, 3, 3], 19: [2, 2, 4, 4, 4],
  ]

  public init() {}

  public func graph(isDeployed: Bool) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    guard let stages = VGG.stages[depth] else {
      throw GraphError("VGG: there is none of \(depth) layers")
    }
    var x = input(b)
    for (stage, layers) in stages.enumerated() {
      for layer in 1...layers {
        x = b.conv(
          x, outChannels: maps([64, 128, 256, 512, 512][stage]), kernel: [3, 3], padding: [1, 1],
          initializer: .he, name: "conv\(stage + 1)_\(layer)")
        if isNormalized {
          x = b.batchNormalization(x, name: "conv\(stage + 1)_\(layer).norm")
        }
        x = b.relu(x)
      }
      x = b.maxPool(x, kernel: [2, 2], name: "pool\(stage + 1)")
    }
    x = b.flatten(x)
    for name in ["fc6", "fc7"] {
      x = b.dense(x, maps(4096), activation: .relu, name: name)
      x = dropout(b, x, isDeployed: isDeployed, name: name + ".dropout")
    }
    return try finish(b, b.dense(x, classes, name: "fc8"), "VGG-\(depth)")
  }
}
