import Graph

/// M. Lin, Q. Chen, S. Yan, "Network in network", 2014, section 4.2 (CIFAR-10): three convolutions,
/// each followed by two of 1 × 1 (an "mlpconv" layer), overlapping pooling with dropout between them,
/// and the mean over each of the last layer's maps, one for each class, in place of dense layers.
///
///     966,986 parameters for 10 classes
public struct NiN: ImageClassifier {
  public var classes = 10
  public var channels = 3
  public var size = 32
  public var width = 1.0
  public var dropout: Float = 0.5
  public var seed: UInt64 = 1

  public init() {}

  public func graph(isDeployed: Bool) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    var x = b.convRelu(input(b), maps(192), 5, padding: 2, name: "conv1")
    x = b.convRelu(x, maps(160), 1, name: "cccp1")
    x = b.convRelu(x, maps(96), 1, name: "cccp2")
    x = b.maxPool3(x, roundsUp: true, name: "pool1")
    x = dropout(b, x, isDeployed: isDeployed, name: "dropout1")
    x = b.convRelu(x, maps(192), 5, padding: 2, name: "conv2")
    x = b.convRelu(x, maps(192), 1, name: "cccp3")
    x = b.convRelu(x, maps(192), 1, name: "cccp4")
    x = b.node(
      "AveragePool", name: "pool2", [x],
      ["kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1])
    x = dropout(b, x, isDeployed: isDeployed, name: "dropout2")
    x = b.convRelu(x, maps(192), 3, padding: 1, name: "conv3")
    x = b.convRelu(x, maps(192), 1, name: "cccp5")
    x = b.convRelu(x, classes, 1, name: "cccp6")
    return try finish(b, b.meanOfMaps(x), "NiN")
  }
}
