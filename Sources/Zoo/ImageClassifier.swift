import Graph

/// What the networks of the zoo that say what a picture shows have in common: "image"
/// [N, channels, size, size] becomes "logits" [N, classes].
public protocol ImageClassifier {
  var classes: Int { get set }
  var channels: Int { get set }
  /// Rows and columns of a picture.
  var size: Int { get set }
  /// What the number of maps of each layer is multiplied by, for smaller networks than the paper's.
  var width: Double { get set }
  /// Where the paper has it, in training.
  var dropout: Float { get set }
  var seed: UInt64 { get set }

  init()

  /// The network with its initial weights.
  ///
  /// - Parameter isDeployed: Whether it is to be run: without dropout and auxiliary outputs.
  func graph(isDeployed: Bool) throws -> Graph
}

extension ImageClassifier {
  public func graph() throws -> Graph { try graph(isDeployed: false) }

  /// The paper's number of maps or units; of a narrower network a multiple of 4, so that groups and
  /// halves stay whole.
  func maps(_ published: Int) -> Int {
    width == 1 ? published : max(4, 4 * Int((Double(published) * width / 4).rounded()))
  }

  func input(_ b: GraphBuilder) -> Value {
    b.input("image", .float32, [.free("N"), .fixed(channels), .fixed(size), .fixed(size)])
  }

  func dropout(_ b: GraphBuilder, _ x: Value, isDeployed: Bool, name: String) -> Value {
    b.dropout(x, ratio: isDeployed ? 0 : dropout, name: name)
  }

  func finish(_ b: GraphBuilder, _ logits: Value, _ name: String) throws -> Graph {
    b.output(logits, "logits")
    b.setMetadata("name", name)
    return try b.build()
  }
}

extension Initializer {
  /// For the convolutions of networks with depthwise ones: normal, variance 2 / (maps · kernel²), maps
  /// and kernel those of the output (He et al. 2015, eq. 14, all maps counted whatever the groups, as
  /// torchvision draws its MobileNets).
  ///
  /// The kernels of a depthwise convolution start small, and batch normalisation makes them as large as
  /// they need be; but a step of Adam is then large beside them. Drawn for the 9 numbers that each one
  /// sums, they hardly move: MobileNet v1 came to 25 % where it now comes to 92 %.
  static func depthwiseNetwork(_ maps: Int, _ kernel: Int) -> Initializer {
    .normal(deviation: (2 / Float(maps * kernel * kernel)).squareRoot())
  }

  /// For the classes of such a network, so that none is preferred at first.
  static let smallNormal = Initializer.normal(deviation: 0.01)
}

extension GraphBuilder {
  /// A square convolution with ReLU, its weights drawn for it.
  func convRelu(
    _ x: Value, _ maps: Int, _ kernel: Int, stride: Int = 1, padding: Int = 0, group: Int = 1,
    name: String
  ) -> Value {
    conv(
      x, outChannels: maps, kernel: [kernel, kernel], stride: [stride, stride],
      padding: [padding, padding], group: group, activation: .relu, name: name)
  }

  /// A convolution without bias, batch normalisation, and ReLU where wanted.
  func convNorm(
    _ x: Value, _ maps: Int, _ kernel: [Int], stride: Int = 1, padding: [Int]? = nil,
    group: Int = 1, relu: Bool = true, epsilon: Float = 1e-5, initializer: Initializer = .he,
    scale: Initializer = .ones, name: String
  ) -> Value {
    let y = conv(
      x, outChannels: maps, kernel: kernel, stride: kernel.map { _ in stride },
      padding: padding ?? kernel.map { _ in 0 }, group: group, bias: false,
      initializer: initializer, name: name)
    let z = batchNormalization(y, epsilon: epsilon, scale: scale, name: name + ".norm")
    return relu ? self.relu(z) : z
  }

  func convNorm(
    _ x: Value, _ maps: Int, _ kernel: Int, stride: Int = 1, padding: Int = 0, group: Int = 1,
    relu: Bool = true, epsilon: Float = 1e-5, initializer: Initializer = .he,
    scale: Initializer = .ones, name: String
  ) -> Value {
    convNorm(
      x, maps, [kernel, kernel], stride: stride, padding: [padding, padding], group: group,
      relu: relu, epsilon: epsilon, initializer: initializer, scale: scale, name: name)
  }

  /// Overlapping max pooling, 3 × 3 with stride 2.
  func maxPool3(_ x: Value, padding: Int = 0, roundsUp: Bool = false, name: String) -> Value {
    node(
      "MaxPool", name: name, [x],
      [
        "kernel_shape": [3, 3], "strides": [2, 2],
        "pads": .ints([padding, padding, padding, padding]), "ceil_mode": roundsUp ? 1 : 0,
      ])
  }

  /// The mean over each map as a row.
  func meanOfMaps(_ x: Value) -> Value { flatten(globalAveragePool(x, name: "mean")) }

  /// Channels of a value of [N, channels, …].
  func channels(_ x: Value) -> Int { x.shape?.dropFirst().first?.fixed ?? 1 }
  /// Rows of a value of [N, channels, rows, columns].
  func rows(_ x: Value) -> Int { x.shape?.dropFirst(2).first?.fixed ?? 1 }
}
