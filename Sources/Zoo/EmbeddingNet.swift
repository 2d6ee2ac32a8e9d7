import Graph

/// Pictures to points on a sphere, close together for pictures of one thing: a face recogniser's network
/// (F. Schroff, D. Kalenichenko, J. Philbin, "FaceNet", 2015, figure 2; Y. Wen et al., "A discriminative
/// feature learning approach for deep face recognition", 2016, figure 5), at reduced width: three
/// convolutions, a dense layer, normalisation to length 1.
public struct EmbeddingNet {
  /// [channels, rows, columns]
  public var inputShape = [1, 16, 16]
  public var filters = [16, 32, 64]
  public var dimensions = 32
  /// Of the centre loss; 0: the network has nothing but the embedding.
  public var classes = 0
  public var seed: UInt64 = 1

  public init() {}

  /// "image" [N, channels, rows, columns] to "embedding" [N, dimensions]. With classes there are also, for
  /// training, "features", the embedding before it is normalised, "logits" of the classes, and "centres"
  /// [classes, dimensions], a weight that the task moves.
  public func graph() throws -> Graph {
    let b = GraphBuilder(seed: seed)
    var x = b.input("image", .float32, [.free("N")] + inputShape.map { .fixed($0) })
    for (i, count) in filters.enumerated() {
      x = b.conv(
        x, outChannels: count, kernel: [3, 3], padding: [1, 1], bias: false, initializer: .he,
        name: "conv\(i + 1)")
      x = b.relu(b.batchNormalization(x, name: "normalization\(i + 1)"))
      if i + 1 < filters.count { x = b.maxPool(x, kernel: [2, 2]) }
    }
    let features = b.dense(b.flatten(x), dimensions, name: "features")
    let length = b.node(
      "ReduceL2", [features, b.constant(integers: [1])], ["keepdims": 1])
    // No length is 0: what is divided by it stays finite.
    let embedding = b.node("Div", [features, b.add(length, b.constant("", [1], [1e-6]))])
    b.output(embedding, "embedding")
    if classes > 0 {
      b.output(features, "features.out")
      b.output(b.dense(b.relu(features), classes, name: "classifier"), "logits")
      let centres = b.constant(
        "centres", [classes, dimensions], [Float](repeating: 0, count: classes * dimensions))
      b.output(centres, "centres.out")
    }
    b.setMetadata("name", "embedding")
    return try b.build()
  }
}
