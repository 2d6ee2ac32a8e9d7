import Graph

/// D. Tran, L. Bourdev, R. Fergus, L. Torresani, M. Paluri, "Learning spatiotemporal features with 3D
/// convolutional networks", 2015, section 3.2 and Figure 3: eight convolutions of 3 × 3 × 3 over the
/// frames and places of a film, five poolings, of which the first leaves the frames alone, and three
/// dense layers with dropout.
///
///     79,991,015 parameters for the paper's 487 classes (Sports-1M); 78,409,573 for 101 (UCF101)
public struct C3D {
  public var classes = 487
  public var channels = 3
  public var frames = 16
  /// Rows and columns of a frame.
  public var size = 112
  /// What the numbers of maps and units are multiplied by.
  public var width = 1.0
  public var dropout: Float = 0.5
  public var seed: UInt64 = 1
  /// After each convolution; not in the paper.
  public var isNormalized = false

  public init() {}

  /// "film" [N, channels, frames, size, size] to "logits" [N, classes].
  public func graph(isDeployed: Bool = false) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    func maps(_ published: Int) -> Int {
      width == 1 ? published : max(4, 4 * Int((Double(published) * width / 4).rounded()))
    }
    var x = b.input(
      "film", .float32, [.free("N")] + [channels, frames, size, size].map { .fixed($0) })
    let stages = [(64, 1), (128, 1), (256, 2), (512, 2), (512, 2)]
    for (stage, (count, layers)) in stages.enumerated() {
      for layer in 0..<layers {
        let name = "conv\(stage + 1)\(["a", "b"][layer])"
        x = b.conv(
          x, outChannels: maps(count), kernel: [3, 3, 3], padding: [1, 1, 1], initializer: .he,
          name: name)
        if isNormalized { x = b.batchNormalization(x, name: name + ".norm") }
        x = b.relu(x)
      }
      // The published network pads its last 7 × 7 places to 8 × 8.
      x = b.maxPool(
        x, kernel: [stage == 0 ? 1 : 2, 2, 2], padding: stage == 4 ? [0, 1, 1] : nil,
        name: "pool\(stage + 1)")
    }
    x = b.flatten(x)
    for name in ["fc6", "fc7"] {
      x = b.dense(x, maps(4096), activation: .relu, name: name)
      x = b.dropout(x, ratio: isDeployed ? 0 : dropout, name: name + ".dropout")
    }
    b.output(b.dense(x, classes, name: "fc8"), "logits")
    b.setMetadata("name", "C3D")
    return try b.build()
  }
}
