import Graph

/// C. Szegedy et al., "Going deeper with convolutions", 2015, section 5 and Table 1: nine Inception
/// modules, each of four branches side by side, and two auxiliary classifiers on the way, which
/// training alone has and whose losses count 0.3.
///
///     published         6,998,552 parameters, 13,378,280 with the auxiliary classifiers: biases,
///                       response normalisation, dropout of 0.4
///     batchNormalized   6,624,904 and 13,004,888: torchvision's, normalised after S. Ioffe and
///                       C. Szegedy 2015, with 3 × 3 in the place of 5 × 5
public struct GoogLeNet: ImageClassifier {
  public var classes = 1000
  public var channels = 3
  public var size = 224
  public var width = 1.0
  public var dropout: Float = 0.4
  public var seed: UInt64 = 1
  public var form = Form.published
  /// By how much the loss of each auxiliary classifier counts.
  public static let auxiliaryWeight: Float = 0.3

  public enum Form: String, CaseIterable {
    case published
    case batchNormalized = "batch-normalized"
  }

  public init() {}

  /// Table 1: 1 × 1; 3 × 3 reduce, 3 × 3; 5 × 5 reduce, 5 × 5; pool proj.
  private static let modules: [(name: String, maps: [Int])] = [
    ("3a", [64, 96, 128, 16, 32, 32]), ("3b", [128, 128, 192, 32, 96, 64]),
    ("4a", [192, 96, 208, 16, 48, 64]), ("4b", [160, 112, 224, 24, 64, 64]),
    ("4c", [128, 128, 256, 24, 64, 64]), ("4d", [112, 144, 288, 32, 64, 64]),
    ("4e", [256, 160, 320, 32, 128, 128]), ("5a", [256, 160, 320, 32, 128, 128]),
    ("5b", [384, 192, 384, 48, 128, 128]),
  ]

  public func graph(isDeployed: Bool) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    var auxiliary: [Value] = []
    var x = conv(b, input(b), maps(64), 7, stride: 2, name: "conv1")
    x = normalize(b, b.maxPool3(x, roundsUp: true, name: "pool1"), name: "norm1")
    x = conv(b, x, maps(64), 1, name: "conv2.reduce")
    x = normalize(b, conv(b, x, maps(192), 3, name: "conv2"), name: "norm2")
    x = b.maxPool3(x, roundsUp: true, name: "pool2")
    for (name, counts) in GoogLeNet.modules {
      x = module(b, x, counts.map(maps), name: "inception" + name)
      switch name {
      case "3b": x = b.maxPool3(x, roundsUp: true, name: "pool3")
      case "4e":
        x =
          form == .published
          ? b.maxPool3(x, roundsUp: true, name: "pool4")
          : b.node(
            "MaxPool", name: "pool4", [x],
            ["kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1])
      case "4a", "4d":
        if !isDeployed {
          auxiliary.append(classifier(b, x, name: "auxiliary\(auxiliary.count + 1)"))
        }
      default: break
      }
    }
    x = dropout(b, b.meanOfMaps(x), isDeployed: isDeployed, name: "dropout")
    b.output(b.dense(x, classes, name: "output"), "logits")
    for (i, logits) in auxiliary.enumerated() { b.output(logits, "auxiliary\(i + 1)") }
    b.setMetadata("name", "GoogLeNet")
    return try b.build()
  }

  private func conv(
    _ b: GraphBuilder, _ x: Value, _ maps: Int, _ kernel: Int, stride: Int = 1, name: String
  ) -> Value {
    switch form {
    case .published:
      b.convRelu(x, maps, kernel, stride: stride, padding: kernel / 2, name: name)
    case .batchNormalized:
      b.convNorm(
        x, maps, kernel, stride: stride, padding: kernel / 2, epsilon: 0.001, name: name)
    }
  }

  /// The paper has LocalRespNorm and no numbers for it; these are the operator's own defaults.
  private func normalize(_ b: GraphBuilder, _ x: Value, name: String) -> Value {
    if form == .batchNormalized { return x }
    return b.node("LRN", name: name, [x], ["size": 5])
  }

  private func module(_ b: GraphBuilder, _ x: Value, _ maps: [Int], name: String) -> Value {
    let third = conv(b, x, maps[3], 1, name: name + ".5x5.reduce")
    let pooled = b.maxPool(x, kernel: [3, 3], stride: [1, 1], padding: [1, 1], name: name + ".pool")
    return b.concat(
      [
        conv(b, x, maps[0], 1, name: name + ".1x1"),
        conv(b, conv(b, x, maps[1], 1, name: name + ".3x3.reduce"), maps[2], 3, name: name + ".3x3"),
        conv(b, third, maps[4], form == .published ? 5 : 3, name: name + ".5x5"),
        conv(b, pooled, maps[5], 1, name: name + ".proj"),
      ], axis: 1)
  }

  /// Means of 5 × 5 with stride 3 (4 × 4 places of a picture of 224), 128 maps, 1024 units, dropout
  /// of 0.7.
  private func classifier(_ b: GraphBuilder, _ x: Value, name: String) -> Value {
    let window = min(5, b.rows(x))
    let pooled = b.averagePool(x, kernel: [window, window], stride: [3, 3], name: name + ".pool")
    let narrow = conv(b, pooled, maps(128), 1, name: name + ".conv")
    let units = b.dense(b.flatten(narrow), maps(1024), activation: .relu, name: name + ".fc")
    let kept = b.dropout(units, ratio: dropout == 0 ? 0 : 0.7, name: name + ".dropout")
    return b.dense(kept, classes, name: name + ".output")
  }
}
