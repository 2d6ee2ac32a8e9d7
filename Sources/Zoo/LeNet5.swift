import Graph

/// LeNet-5 for images of 32 × 32: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning
/// applied to document recognition", Proceedings of the IEEE 86(11), 1998, section II-B.
///
///     C1  6 maps 28 × 28, 5 × 5          156 weights
///     S2  6 maps 14 × 14                  12
///     C3  16 maps 10 × 10, 5 × 5       1,516
///     S4  16 maps 5 × 5                   32
///     C5  120 maps 1 × 1, 5 × 5       48,120
///     F6  84 units                    10,164
///
/// The paper's output layer compares F6 with fixed pictures of the characters; in its place stands a
/// dense layer with softmax, as the paper itself proposes for other tasks. Its squashing function
/// 1.7159 tanh(2x/3) is plain tanh here.
public struct LeNet5 {
  public var classes = 10
  public var activation = Activation.tanh
  public var subsampling = Subsampling.trainable
  public var connections = Connections.published
  /// Between F6 and the output, in training; not in the paper.
  public var dropout: Float = 0
  public var seed: UInt64 = 1

  /// How S2 and S4 make 2 × 2 units one.
  public enum Subsampling: String, CaseIterable {
    /// Activation of coefficient · mean + bias, one pair for each map: the paper's (its sum is four
    /// times the mean).
    case trainable
    case average
    case max
  }

  /// Which maps of S2 each map of C3 sees.
  public enum Connections: String, CaseIterable {
    /// Table I of the paper.
    case published
    case full
  }

  public init() {}

  /// The network with its initial weights: "image" [N, 1, 32, 32] to "logits" [N, classes].
  public func graph() throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let x = b.input("image", .float32, [.free("N"), 1, 32, 32])
    let c1 = b.conv(x, outChannels: 6, kernel: [5, 5], activation: activation, name: "C1")
    let s2 = subsample(b, c1, name: "S2")
    let c3 = thirdLayer(b, s2)
    let s4 = subsample(b, c3, name: "S4")
    let c5 = b.conv(s4, outChannels: 120, kernel: [5, 5], activation: activation, name: "C5")
    let f6 = b.dense(b.flatten(c5), 84, activation: activation, name: "F6")
    let y = b.dense(b.dropout(f6, ratio: dropout, name: "dropout"), classes, name: "OUTPUT")
    b.output(y, "logits")
    b.setMetadata("name", "LeNet-5")
    return try b.build()
  }

  private func subsample(_ b: GraphBuilder, _ x: Value, name: String) -> Value {
    switch subsampling {
    case .max: return b.maxPool(x, kernel: [2, 2], name: name)
    case .average: return b.averagePool(x, kernel: [2, 2], name: name)
    case .trainable:
      let mean = b.averagePool(x, kernel: [2, 2], name: name)
      let maps = x.shape?.dropFirst().first?.fixed ?? 1
      let coefficient = b.weight(name + ".coefficient", [maps, 1, 1], .ones)
      let bias = b.weight(name + ".bias", [maps, 1, 1], .zeros)
      let sum = b.add(b.multiply(mean, coefficient), bias)
      return b.activation(sum, activation, name: name)
    }
  }

  /// Columns of Table I: the maps of S2 that each map of C3 sees.
  static let table = [
    [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [0, 4, 5], [0, 1, 5],
    [0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], [0, 3, 4, 5], [0, 1, 4, 5], [0, 1, 2, 5],
    [0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5],
    [0, 1, 2, 3, 4, 5],
  ]

  private func thirdLayer(_ b: GraphBuilder, _ x: Value) -> Value {
    if connections == .full {
      return b.conv(x, outChannels: 16, kernel: [5, 5], activation: activation, name: "C3")
    }
    // All connections, those that the table lacks held at 0 by a mask. Folded when exported.
    var mask = [Float](repeating: 0, count: 16 * 6 * 25)
    for (map, inputs) in LeNet5.table.enumerated() {
      for input in inputs {
        for i in 0..<25 { mask[(map * 6 + input) * 25 + i] = 1 }
      }
    }
    // A map sees 60 of the 96 pairs: 3.75 maps of 25 units on average.
    let w = b.weight(
      "C3.weight", [16, 6, 5, 5], activation.initializer, fanIn: 94, fanOut: 250)
    let masked = b.node("Mul", [w, b.constant("C3.table", [16, 6, 5, 5], mask)])
    let y = b.node(
      "Conv", name: "C3", [x, masked, b.weight("C3.bias", [16], .zeros)],
      ["kernel_shape": [5, 5]])
    return b.activation(y, activation, name: "C3")
  }
}
