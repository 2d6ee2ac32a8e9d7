import Graph

/// K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", 2015, sections 3
/// and 4.1, Table 1: four stages of residual blocks, of two convolutions (18 and 34 layers) or of three
/// (the bottlenecks of 50, 101 and 152), with projections where the number of maps changes (option
/// B). ResNet20.swift has the paper's networks for CIFAR-10.
///
///     ResNet-18    11,689,512 parameters
///     ResNet-34    21,797,672
///     ResNet-50    25,557,032
///     ResNet-101   44,549,160
///     ResNet-152   60,192,808
///
/// torchvision's counts too; it halves the places in a bottleneck's 3 × 3, which is an option.
public struct ResNet: ImageClassifier {
  public var classes = 1000
  public var channels = 3
  public var size = 224
  public var width = 1.0
  /// Before the output; not in the paper.
  public var dropout: Float = 0
  public var seed: UInt64 = 1
  public var depth = 50
  /// Which convolution of a bottleneck has the stride of 2.
  public var stride = Stride.first
  /// Whether the last batch normalisation of each block begins with scales of 0, so that the block
  /// begins as its shortcut (P. Goyal et al., "Accurate, large minibatch SGD", 2017, section 5.1).
  /// Not in the paper; the deep ones learn without a warm-up so.
  public var zeroInitResidual = false

  public enum Stride: String, CaseIterable {
    /// The first, of 1 × 1: the paper's.
    case first
    /// That of 3 × 3 ("v1.5").
    case middle
  }

  /// Blocks in each stage.
  public static let stages = [
    18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3],
  ]

  public init() {}

  public func graph(isDeployed: Bool) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    guard let stages = ResNet.stages[depth] else {
      throw GraphError("ResNet: there is none of \(depth) layers")
    }
    var x = b.convNorm(input(b), maps(64), 7, stride: 2, padding: 3, name: "conv1")
    x = b.maxPool3(x, padding: 1, name: "pool1")
    for (stage, blocks) in stages.enumerated() {
      for block in 0..<blocks {
        x = residual(
          b, x, maps(64 << stage), stride: stage > 0 && block == 0 ? 2 : 1,
          name: "stage\(stage + 1).\(block + 1)")
      }
    }
    x = dropout(b, b.meanOfMaps(x), isDeployed: isDeployed, name: "dropout")
    return try finish(b, b.dense(x, classes, name: "output"), "ResNet-\(depth)")
  }

  private func residual(
    _ b: GraphBuilder, _ x: Value, _ maps: Int, stride: Int, name: String
  ) -> Value {
    let last: Initializer = zeroInitResidual ? .zeros : .ones
    var y: Value
    if depth < 50 {
      y = b.convNorm(x, maps, 3, stride: stride, padding: 1, name: name + ".conv1")
      y = b.convNorm(y, maps, 3, padding: 1, relu: false, scale: last, name: name + ".conv2")
    } else {
      let (first, middle) = self.stride == .first ? (stride, 1) : (1, stride)
      y = b.convNorm(x, maps, 1, stride: first, name: name + ".conv1")
      y = b.convNorm(y, maps, 3, stride: middle, padding: 1, name: name + ".conv2")
      y = b.convNorm(y, 4 * maps, 1, relu: false, scale: last, name: name + ".conv3")
    }
    var around = x
    if stride != 1 || b.channels(x) != b.channels(y) {
      around = b.convNorm(
        x, b.channels(y), 1, stride: stride, relu: false, name: name + ".shortcut")
    }
    return b.relu(b.add(y, around))
  }
}
