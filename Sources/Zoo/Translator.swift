import Graph

/// Sequence to sequence: an encoder reads the source, a decoder writes the target token by token.
///
/// Without attention the decoder knows what the encoder's last state tells it (I. Sutskever, O. Vinyals,
/// Q. V. Le, "Sequence to sequence learning with neural networks", 2014; K. Cho et al. 2014). With it,
/// it looks at all of the source in each step: additive attention, by the state before the step
/// (D. Bahdanau, K. Cho, Y. Bengio, "Neural machine translation by jointly learning to align and
/// translate", 2015, appendix A.1.2), or multiplicative, by the state after it (M.-T. Luong, H. Pham,
/// C. D. Manning, "Effective approaches to attention-based neural machine translation", 2015, "general").
///
/// Token 0 ends a sequence, token 1 begins one.
public struct Translator {
  public var sourceTokens = 2
  public var targetTokens = 2
  public var attention = Attention.additive
  public var cell = RecurrentCell.gru
  public var embedding = 32
  public var hiddenSize = 128
  public var dropout: Float = 0
  public var seed: UInt64 = 1

  public enum Attention: String, CaseIterable, Sendable {
    case none, additive, multiplicative
  }

  public init() {}

  public static let end: Int32 = 0
  public static let start: Int32 = 1

  /// What is trained: "encode" takes source tokens int32 [S, batch] and their lengths int32 [batch] and
  /// leaves the decoder's states; "step" takes the token before, int32 [1, batch], to "logits"
  /// [batch, targetTokens] and "attention" [batch, 1, S] (without attention only the former).
  ///
  /// - Parameter sourceLength: S, to which sources are padded.
  public func trainingGraph(batch: Int, sourceLength: Int) throws -> Graph {
    let b = GraphBuilder(seed: seed, function: "encode")
    let source = b.input("source", .int32, [.fixed(sourceLength), .fixed(batch)])
    let lengths = b.input("lengths", .int32, [.fixed(batch)])
    let encoder = Layers(self, b)
    let encoded = encoder.encode(b, source, lengths: lengths)

    let step = GraphBuilder(beside: b, function: "step")
    let token = step.input("token", .int32, [1, .fixed(batch)])
    func kept(_ name: String, _ shape: [Int], _ value: Value) -> Value {
      let state = b.state(name, shape)
      b.update(state, to: value)
      return state
    }
    let h = kept("h", [1, batch, hiddenSize], encoded.start)
    let c = cell == .lstm ? b.state("c", [1, batch, hiddenSize]) : nil
    if let c { b.update(c, to: b.multiply(encoded.start, b.constant(0))) }
    var memory: Memory?
    if let encodedMemory = encoded.memory {
      memory = Memory(
        rows: kept("memory", [batch, sourceLength, 2 * hiddenSize], encodedMemory.rows),
        keys: kept("keys", [batch, sourceLength, hiddenSize], encodedMemory.keys),
        penalty: kept("penalty", [batch, 1, sourceLength], padding(b, lengths, batch, sourceLength)))
    }
    let next = encoder.step(step, token, h, c, memory, dropout: dropout)
    step.update(h, to: next.h)
    if let c, let cell = next.c { step.update(c, to: cell) }
    step.output(step.squeeze(next.logits, axes: [0]), "logits")
    if let weights = next.weights { step.output(weights, "attention") }
    b.setMetadata("name", "Translator")
    return try GraphBuilder.build([b, step])
  }

  /// What is run: source tokens int32 [S], of any length, to "tokens" int32 [length], 0 behind the
  /// end, and "score" [1], by beam search.
  public func translationGraph(beams: Int, length: Int) throws -> Graph {
    let b = GraphBuilder(seed: seed)
    let source = b.input("source", .int32, [.free("S")])
    let layers = Layers(self, b)
    let encoded = layers.encode(b, b.node("Unsqueeze", [source, b.constant(integers: [1])]), lengths: nil)
    var states = [encoded.start]
    if cell == .lstm { states.append(b.multiply(encoded.start, b.constant(0))) }
    let search = BeamSearch(
      beams: beams, length: length, tokens: targetTokens, start: Translator.start)
    let decoder = BeamSearch.Decoder(
      states: states, captures: encoded.memory.map { [$0.rows, $0.keys] } ?? []
    ) { body, token, states, captures in
      let memory = captures.isEmpty ? nil : Memory(rows: captures[0], keys: captures[1], penalty: nil)
      let next = layers.step(body, token, states[0], states.count > 1 ? states[1] : nil, memory)
      return (next.logits, [next.h] + (next.c.map { [$0] } ?? []))
    }
    let body = search.add(to: b, decoder, name: "search")
    b.setMetadata("name", "Translator")
    return try GraphBuilder.build([b, body])
  }

  /// 0 at a source's tokens and a large negative number behind its end: [batch, 1, S].
  private func padding(_ b: GraphBuilder, _ lengths: Value, _ batch: Int, _ length: Int) -> Value {
    let ends = b.reshape(b.node("Cast", [lengths], ["to": 1]), [batch, 1, 1])
    let places = b.constant("places", [1, 1, length], (0..<length).map { Float($0) })
    let inside = b.node(
      "Clip", [b.node("Sub", [ends, places]), scalar(b, 0), scalar(b, 1)])
    return b.multiply(b.node("Sub", [inside, b.constant(1)]), b.constant(1e4))
  }

  private func scalar(_ b: GraphBuilder, _ x: Float) -> Value { b.constant("", [], [x]) }

  /// What the decoder looks at.
  struct Memory {
    var rows: Value
    var keys: Value
    /// Added to its scores; nil: nothing.
    var penalty: Value?
  }

  /// The weights, which training and translation share.
  struct Layers {
    private let net: Translator
    private let sourceTable, targetTable: Value
    private let encoderWeights, decoderWeights: [Value]
    private let start, startBias: Value
    private let keyWeight, queryWeight, scoreWeight: Value?
    private let output, outputBias: Value

    init(_ net: Translator, _ b: GraphBuilder) {
      self.net = net
      let (e, h, g) = (net.embedding, net.hiddenSize, net.cell.gates)
      let context = net.attention == .none ? 0 : 2 * h
      sourceTable = b.weight("source.weight", [net.sourceTokens, e], .normal(deviation: 1))
      targetTable = b.weight("target.weight", [net.targetTokens, e], .normal(deviation: 1))
      func recurrent(_ name: String, directions: Int, inputs: Int) -> [Value] {
        [
          b.weight(name + ".input_weight", [directions, g * h, inputs], .glorot, fanIn: inputs, fanOut: h),
          b.weight(name + ".recurrent_weight", [directions, g * h, h], .orthogonal(blocks: directions * g)),
          b.weight(name + ".bias", [directions, 2 * g * h], .zeros),
        ]
      }
      encoderWeights = recurrent("encoder", directions: 2, inputs: e)
      decoderWeights = recurrent("decoder", directions: 1, inputs: e + (net.attention == .additive ? context : 0))
      start = b.weight("start.weight", [h, h], .glorot, fanIn: h, fanOut: h)
      startBias = b.weight("start.bias", [h], .zeros)
      func matrix(_ name: String, _ rows: Int, _ columns: Int) -> Value {
        b.weight(name, [rows, columns], .glorot, fanIn: rows, fanOut: columns)
      }
      keyWeight = net.attention == .none ? nil : matrix("key.weight", 2 * h, h)
      queryWeight = net.attention == .additive ? matrix("query.weight", h, h) : nil
      scoreWeight = net.attention == .additive ? matrix("score.weight", h, 1) : nil
      output = matrix("output.weight", h + context + (net.attention == .additive ? e : 0), net.targetTokens)
      outputBias = b.weight("output.bias", [net.targetTokens], .zeros)
    }

    private func attributes(_ directions: Int) -> [String: Attribute] {
      var all: [String: Attribute] = ["hidden_size": .int(net.hiddenSize)]
      if directions == 2 { all["direction"] = "bidirectional" }
      if net.cell == .gru { all["linear_before_reset"] = 1 }
      return all
    }

    /// source: [S, N]; memory rows [N, S, 2 · hidden], keys [N, S, hidden]; the decoder's first
    /// state [1, N, hidden] is made of what was read backwards.
    func encode(_ b: GraphBuilder, _ source: Value, lengths: Value?) -> (start: Value, memory: Memory?) {
      let x = b.node("Gather", [sourceTable, source])
      let layer = b.nodes(
        net.cell.rawValue, name: "encoder", [x] + encoderWeights + [lengths], attributes(2), outputs: 2)
      let back = b.slice(layer[1], axis: 0, 1..<2)
      let first = b.tanh(b.add(b.node("MatMul", [back, start]), startBias))
      guard let keyWeight else { return (first, nil) }
      // [S, 2, N, h] to [N, S, 2 h]
      let rows = b.reshape(b.transpose(layer[0], [2, 0, 1, 3]), [0, 0, 2 * net.hiddenSize])
      return (first, Memory(rows: rows, keys: b.node("MatMul", [rows, keyWeight]), penalty: nil))
    }

    /// token: [1, N]; h and c: [1, N, hidden]; logits: [1, N, targetTokens]; weights: [N, 1, S].
    func step(
      _ b: GraphBuilder, _ token: Value, _ h: Value, _ c: Value?, _ memory: Memory?, dropout: Float = 0
    ) -> (logits: Value, h: Value, c: Value?, weights: Value?) {
      let e = b.dropout(b.node("Gather", [targetTable, token]), ratio: dropout)
      func run(_ x: Value) -> (h: Value, c: Value?) {
        let outputs = b.nodes(
          net.cell.rawValue, name: "decoder", [x] + decoderWeights + [nil, h] + (c.map { [$0] } ?? []),
          attributes(1), outputs: c == nil ? 2 : 3)
        return (outputs[1], c == nil ? nil : outputs[2])
      }
      func logits(_ parts: [Value]) -> Value {
        b.add(b.node("MatMul", [b.concat(parts, axis: 2), output]), outputBias)
      }
      guard let memory else {
        let next = run(e)
        return (logits([next.h]), next.h, next.c, nil)
      }
      func look(_ scores: Value) -> (weights: Value, context: Value) {
        let weights = b.softmax(memory.penalty.map { b.add(scores, $0) } ?? scores, name: "attention")
        return (weights, b.transpose(b.node("MatMul", [weights, memory.rows]), [1, 0, 2]))
      }
      switch net.attention {
      case .none: return (e, h, c, nil)
      case .additive:
        let query = b.node("MatMul", [b.transpose(h, [1, 0, 2]), queryWeight!])
        let sums = b.node("MatMul", [b.tanh(b.add(memory.keys, query)), scoreWeight!])
        let seen = look(b.transpose(sums, [0, 2, 1]))
        let next = run(b.concat([e, seen.context], axis: 2))
        return (logits([next.h, seen.context, e]), next.h, next.c, seen.weights)
      case .multiplicative:
        let next = run(e)
        let seen = look(
          b.node("MatMul", [b.transpose(next.h, [1, 0, 2]), b.transpose(memory.keys, [0, 2, 1])]))
        return (logits([next.h, seen.context]), next.h, next.c, seen.weights)
      }
    }
  }
}
