import Graph

/// Image captioning: a convolutional network looks at the picture, a recurrent one says what is there,
/// token by token. With attention it looks at the places of the last map again before each word (K. Xu
/// et al., "Show, attend and tell: neural image caption generation with visual attention", 2015, section
/// 3.1 and "soft" attention, section 4.2); without it, it knows the map from its first state alone (O.
/// Vinyals et al., "Show and tell: a neural image caption generator", 2015). `AttentionDecoder` is the
/// recurrent network.
///
/// The convolutions are trained with the rest, where the papers take those of a classifier. Where a place
/// is, its row of the map says in two numbers more (R. Liu et al., "An intriguing failing of
/// convolutional neural networks and the CoordConv solution", 2018).
///
/// Tokens 0 and 1 are `DecoderToken`'s.
public struct Captioner {
  /// Of the picture: 1 or 3.
  public var channels = 3
  /// Pixels of the picture, either way: a multiple of 8.
  public var size = 48
  /// Maps of the 3 × 3 convolutions, each with batch normalisation and ReLU; behind the first three the
  /// map is halved. At least three.
  public var filters = [16, 32, 64, 96, 96]
  public var tokens = 2
  public var attention = AttentionKind.additive
  public var cell = RecurrentCell.lstm
  public var embedding = 32
  public var hiddenSize = 128
  public var dropout: Float = 0
  public var seed: UInt64 = 1

  public init() {}

  /// Pixels of the picture to a place of the last map, either way.
  public static let stride = 8

  /// Places of the last map, either way.
  public var places: Int { size / Captioner.stride }

  /// What is trained: "encode" takes pictures [batch, channels, size, size] of 0 to 1 and leaves the
  /// decoder's states; "step" takes the token before, int32 [1, batch], to "logits" [batch, tokens] and
  /// "attention" [batch, 1, places²], row by row (without attention only the former).
  public func trainingGraph(batch: Int) throws -> Graph {
    let b = GraphBuilder(seed: seed, function: "encode")
    let layers = Layers(self, b)
    let encoded = layers.encode(b, image(b, batch), batch: batch)
    let step = layers.decoder.trainingStep(
      after: b, summary: encoded.summary, rows: encoded.rows, batch: batch, dropout: dropout)
    b.setMetadata("name", "Captioner")
    return try GraphBuilder.build([b, step])
  }

  /// What is run: a picture [1, channels, size, size] of 0 to 1 to "tokens" int32 [length], 0 behind the
  /// end, and "score" [1], by beam search.
  public func captionGraph(beams: Int, length: Int) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let layers = Layers(self, b)
    let encoded = layers.encode(b, image(b, 1), batch: 1)
    let body = layers.decoder.search(
      b, BeamSearch(beams: beams, length: length, tokens: tokens, start: DecoderToken.start),
      summary: encoded.summary, rows: encoded.rows)
    b.setMetadata("name", "Captioner")
    return try GraphBuilder.build([b, body])
  }

  private func image(_ b: GraphBuilder, _ batch: Int) -> Value {
    b.input("image", .float32, [.fixed(batch), .fixed(channels), .fixed(size), .fixed(size)])
  }

  /// The weights, which training and captioning share.
  private struct Layers {
    let net: Captioner
    let decoder: AttentionDecoder

    init(_ net: Captioner, _ b: GraphBuilder) {
      self.net = net
      let width = net.filters[net.filters.count - 1] + 2
      decoder = AttentionDecoder(
        b, attention: net.attention, cell: net.cell, tokens: net.tokens, embedding: net.embedding,
        hiddenSize: net.hiddenSize,
        summary: net.attention == .none ? net.places * net.places * width : width, width: width)
    }

    /// - Returns: rows [N, places², maps + 2], and a summary [1, N, …]: their mean (Xu et al., section
    ///   3.1.2), or without attention all of them.
    func encode(_ b: GraphBuilder, _ image: Value, batch: Int) -> (summary: Value, rows: Value) {
      let places = b.transpose(b.reshape(map(b, image), [0, 0, -1]), [0, 2, 1])
      let rows = b.concat([places, coordinates(b, batch)], axis: 2)
      let summary =
        net.attention == .none
        ? b.reshape(rows, [1, batch, -1])
        : b.transpose(
          b.node("ReduceMean", [rows, b.constant(integers: [1])], ["keepdims": 1]), [1, 0, 2])
      return (summary, rows)
    }

    /// The last map, [N, maps, places, places].
    private func map(_ b: GraphBuilder, _ image: Value) -> Value {
      var x = image
      for (i, maps) in net.filters.enumerated() {
        x = b.conv(
          x, outChannels: maps, kernel: [3, 3], padding: [1, 1], bias: false, initializer: .he,
          name: "conv\(i + 1)")
        x = b.relu(b.batchNormalization(x, name: "conv\(i + 1).norm"))
        if i < 3 { x = b.halve(x) }
      }
      return x
    }

    /// x and y of each place's middle, the picture from -1 to 1: [N, places², 2].
    private func coordinates(_ b: GraphBuilder, _ batch: Int) -> Value {
      let n = net.places
      func place(_ i: Int) -> Float { (2 * Float(i) + 1) / Float(n) - 1 }
      let one = (0..<n * n).flatMap { [place($0 % n), place($0 / n)] }
      return b.constant("", [batch, n * n, 2], (0..<batch).flatMap { _ in one })
    }
  }
}
