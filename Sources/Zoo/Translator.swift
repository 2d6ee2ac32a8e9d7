import Graph

/// Sequence to sequence: an encoder reads the source in both directions, a decoder writes the target
/// token by token. Without attention the decoder knows what the encoder's last state tells it (I.
/// Sutskever, O. Vinyals, Q. V. Le, "Sequence to sequence learning with neural networks", 2014; K. Cho
/// et al. 2014); with it, it looks at all of the source in each step: see `AttentionDecoder`.
///
/// Tokens 0 and 1 are `DecoderToken`'s.
public struct Translator {
  public var sourceTokens = 2
  public var targetTokens = 2
  public var attention = AttentionKind.additive
  public var cell = RecurrentCell.gru
  public var embedding = 32
  public var hiddenSize = 128
  public var dropout: Float = 0
  public var seed: UInt64 = 1

  public init() {}

  /// What is trained: "encode" takes source tokens int32 [S, batch] and their lengths int32 [batch] and
  /// leaves the decoder's states; "step" takes the token before, int32 [1, batch], to "logits"
  /// [batch, targetTokens] and "attention" [batch, 1, S] (without attention only the former).
  ///
  /// - Parameter sourceLength: S, to which sources are padded.
  public func trainingGraph(batch: Int, sourceLength: Int) throws -> Graph {
    let b = GraphBuilder(seed: seed, function: "encode")
    let source = b.input("source", .int32, [.fixed(sourceLength), .fixed(batch)])
    let lengths = b.input("lengths", .int32, [.fixed(batch)])
    let layers = Layers(self, b)
    let encoded = layers.encode(b, source, lengths: lengths)
    let step = layers.decoder.trainingStep(
      after: b, summary: encoded.summary, rows: encoded.rows,
      penalty: attention == .none ? nil : padding(b, lengths, batch, sourceLength), batch: batch,
      dropout: dropout)
    b.setMetadata("name", "Translator")
    return try GraphBuilder.build([b, step])
  }

  /// What is run: source tokens int32 [S], of any length, to "tokens" int32 [length], 0 behind the
  /// end, and "score" [1], by beam search. Beside it "encode" and "step" of it:
  /// `AttentionDecoder.addParts`.
  public func translationGraph(beams: Int, length: Int) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let layers = Layers(self, b)
    func encode(_ b: GraphBuilder) -> (summary: Value, rows: Value) {
      let source = b.input("source", .int32, [.free("S")])
      return layers.encode(
        b, b.node("Unsqueeze", [source, b.constant(integers: [1])]), lengths: nil)
    }
    let encoded = encode(b)
    let body = layers.decoder.search(
      b, BeamSearch(beams: beams, length: length, tokens: targetTokens, start: DecoderToken.start),
      summary: encoded.summary, rows: encoded.rows)
    let part = GraphBuilder(beside: b, function: "encode")
    let (summary, rows) = encode(part)
    let step = layers.decoder.addParts(to: part, summary: summary, rows: rows)
    b.setMetadata("name", "Translator")
    return try GraphBuilder.build([b, body, part, step])
  }

  /// 0 at a source's tokens and a large negative number behind its end: [batch, 1, S].
  private func padding(_ b: GraphBuilder, _ lengths: Value, _ batch: Int, _ length: Int) -> Value {
    let ends = b.reshape(b.node("Cast", [lengths], ["to": 1]), [batch, 1, 1])
    let places = b.constant("", [1, 1, length], (0..<length).map { Float($0) })
    let inside = b.node(
      "Clip", [b.node("Sub", [ends, places]), b.constant("", [], [0]), b.constant("", [], [1])])
    return b.multiply(b.node("Sub", [inside, b.constant(1)]), b.constant(1e4))
  }

  /// The weights, which training and translation share.
  private struct Layers {
    let net: Translator
    let table: Value
    let encoder: [Value]
    let decoder: AttentionDecoder

    init(_ net: Translator, _ b: GraphBuilder) {
      self.net = net
      let h = net.hiddenSize
      table = b.weight(
        "source.weight", [net.sourceTokens, net.embedding], .normal(deviation: 1))
      encoder = AttentionDecoder.recurrentWeights(
        b, net.cell, "encoder", directions: 2, inputs: net.embedding, hiddenSize: h)
      decoder = AttentionDecoder(
        b, attention: net.attention, cell: net.cell, tokens: net.targetTokens,
        embedding: net.embedding, hiddenSize: h, summary: h, width: 2 * h)
    }

    /// source: [S, N], to rows [N, S, 2 · hidden] and a summary [1, N, hidden], what was read
    /// backwards.
    func encode(
      _ b: GraphBuilder, _ source: Value, lengths: Value?
    ) -> (summary: Value, rows: Value) {
      let layer = b.nodes(
        net.cell.rawValue, name: "encoder", [b.node("Gather", [table, source])] + encoder + [lengths],
        AttentionDecoder.attributes(net.cell, hiddenSize: net.hiddenSize, directions: 2), outputs: 2)
      // [S, 2, N, h] to [N, S, 2 h]
      let rows = b.reshape(b.transpose(layer[0], [2, 0, 1, 3]), [0, 0, 2 * net.hiddenSize])
      return (b.slice(layer[1], axis: 0, 1..<2), rows)
    }
  }
}
