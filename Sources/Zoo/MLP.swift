import Graph

/// A multilayer perceptron: dense layers with an activation between them (D. E. Rumelhart, G. E.
/// Hinton, R. J. Williams, "Learning representations by back-propagating errors", 1986). Without a
/// hidden layer it is a perceptron (F. Rosenblatt, "The perceptron", 1958).
public struct MLP {
  /// Of one sample; flattened first.
  public var inputShape: [Int] = [1]
  /// Units of each hidden layer.
  public var hidden: [Int] = [64]
  public var outputs = 1
  public var activation = Activation.tanh
  /// Of the last layer: none where the loss has it in itself.
  public var outputActivation = Activation.none
  /// After each hidden layer, in training.
  public var dropout: Float = 0
  public var seed: UInt64 = 1

  public init() {}

  /// "x" [N, …inputShape] to "y" [N, outputs].
  public func graph() throws -> Graph {
    let b = GraphBuilder(seed: seed)
    var x = b.input("x", .float32, [.free("N")] + inputShape.map { .fixed($0) })
    if inputShape.count != 1 { x = b.flatten(x) }
    for (i, units) in hidden.enumerated() {
      x = b.dense(x, units, activation: activation, name: "hidden\(i + 1)")
      x = b.dropout(x, ratio: dropout, name: "dropout\(i + 1)")
    }
    b.output(b.dense(x, outputs, activation: outputActivation, name: "output"), "y")
    b.setMetadata("name", "MLP")
    return try b.build()
  }
}
