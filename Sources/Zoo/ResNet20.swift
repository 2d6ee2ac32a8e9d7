import Graph

/// ResNet-20 for images of 32 × 32: K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image
/// recognition", 2015, section 4.2. A convolution, three stages of `blocks` residual blocks with 16,
/// 32 and 64 maps, the mean over each map, a dense layer: 6 · blocks + 2 layers with weights.
public struct ResNet20 {
  public var classes = 10
  public var channels = 3
  /// Blocks in a stage: 3 makes 20 layers, 5 makes 32, 18 makes 110.
  public var blocks = 3
  public var shortcut = Shortcut.padding
  public var seed: UInt64 = 1

  /// What leads around a block that halves the image.
  public enum Shortcut: String, CaseIterable {
    /// Every second element, the new maps zero: no weights (the paper's option A, used for CIFAR).
    case padding
    /// A 1 × 1 convolution of stride 2 (option B).
    case projection
  }

  public init() {}

  /// "image" [N, channels, 32, 32] to "logits" [N, classes].
  public func graph() throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let image = b.input("image", .float32, [.free("N"), .fixed(channels), 32, 32])
    var x = layer(b, image, 16, stride: 1, name: "conv1")
    for (stage, maps) in [16, 32, 64].enumerated() {
      for block in 0..<blocks {
        x = residual(
          b, x, maps, stride: stage > 0 && block == 0 ? 2 : 1, name: "stage\(stage + 1).\(block + 1)")
      }
    }
    let mean = b.flatten(b.globalAveragePool(x, name: "mean"))
    b.output(b.dense(mean, classes, name: "output"), "logits")
    b.setMetadata("name", "ResNet-\(6 * blocks + 2)")
    return try b.build()
  }

  /// Convolution 3 × 3, batch normalisation, ReLU where wanted.
  private func layer(
    _ b: GraphBuilder, _ x: Value, _ maps: Int, stride: Int, relu: Bool = true, name: String
  ) -> Value {
    let y = b.conv(
      x, outChannels: maps, kernel: [3, 3], stride: [stride, stride], padding: [1, 1], bias: false,
      initializer: .he, name: name)
    let z = b.batchNormalization(y, name: name + ".norm")
    return relu ? b.relu(z) : z
  }

  private func residual(
    _ b: GraphBuilder, _ x: Value, _ maps: Int, stride: Int, name: String
  ) -> Value {
    let inner = layer(b, x, maps, stride: stride, name: name + ".conv1")
    let branch = layer(b, inner, maps, stride: 1, relu: false, name: name + ".conv2")
    return b.relu(b.add(branch, around(b, x, maps, stride: stride, name: name)))
  }

  private func around(
    _ b: GraphBuilder, _ x: Value, _ maps: Int, stride: Int, name: String
  ) -> Value {
    if stride == 1 { return x }
    switch shortcut {
    case .padding:
      let half = b.maxPool(x, kernel: [1, 1], stride: [stride, stride], name: name + ".half")
      let old = x.shape?.dropFirst().first?.fixed ?? maps
      let (before, after) = ((maps - old) / 2, maps - old - (maps - old) / 2)
      return b.node(
        "Pad", name: name + ".pad",
        [half, b.constant(integers: [0, before, 0, 0, 0, after, 0, 0])])
    case .projection:
      let y = b.conv(
        x, outChannels: maps, kernel: [1, 1], stride: [stride, stride], bias: false,
        initializer: .he, name: name + ".shortcut")
      return b.batchNormalization(y, name: name + ".shortcut.norm")
    }
  }
}
