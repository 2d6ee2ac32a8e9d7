import Graph

/// How a decoder looks at what an encoder made.
public enum AttentionKind: String, CaseIterable, Sendable {
  case none, additive, multiplicative
}

/// Tokens that every decoder has.
public enum DecoderToken {
  /// Ends a sequence.
  public static let end: Int32 = 0
  /// Begins one: what the decoder is given before its first token.
  public static let start: Int32 = 1
}

/// A recurrent layer that writes a sequence token by token, looking in each step at rows of a memory:
/// additive attention, by the state before the step (D. Bahdanau, K. Cho, Y. Bengio, "Neural machine
/// translation by jointly learning to align and translate", 2015, appendix A.1.2), or multiplicative,
/// by the state after it (M.-T. Luong, H. Pham, C. D. Manning, "Effective approaches to attention-based
/// neural machine translation", 2015, "general"). The weights; functions of a graph share them.
struct AttentionDecoder {
  let attention: AttentionKind
  let cell: RecurrentCell
  let hiddenSize: Int
  private let table: Value
  private let weights: [Value]
  private let start, startBias: Value
  private let key, query, score: Value?
  private let output, outputBias: Value

  /// What the decoder looks at: rows [N, S, width], and keys [N, S, hidden] made of them.
  struct Memory {
    var rows: Value
    var keys: Value
    /// Added to the scores, [N, 1, S]; nil: nothing.
    var penalty: Value?
  }

  struct Step {
    /// [1, N, tokens]
    var logits: Value
    /// [1, N, hidden]; c of an LSTM.
    var h: Value
    var c: Value?
    /// [N, 1, S]; nil without attention.
    var weights: Value?

    var states: [Value] { [h] + (c.map { [$0] } ?? []) }
  }

  /// - Parameters:
  ///   - summary: numbers of what the first state is made of.
  ///   - width: of a row of the memory.
  init(
    _ b: GraphBuilder, attention: AttentionKind, cell: RecurrentCell, tokens: Int, embedding e: Int,
    hiddenSize h: Int, summary: Int, width: Int
  ) {
    self.attention = attention
    self.cell = cell
    hiddenSize = h
    let context = attention == .none ? 0 : width
    func matrix(_ name: String, _ rows: Int, _ columns: Int) -> Value {
      b.weight(name, [rows, columns], .glorot, fanIn: rows, fanOut: columns)
    }
    table = b.weight("target.weight", [tokens, e], .normal(deviation: 1))
    weights = AttentionDecoder.recurrentWeights(
      b, cell, "decoder", directions: 1, inputs: e + (attention == .additive ? context : 0),
      hiddenSize: h)
    start = matrix("start.weight", summary, h)
    startBias = b.weight("start.bias", [h], .zeros)
    key = attention == .none ? nil : matrix("key.weight", width, h)
    query = attention == .additive ? matrix("query.weight", h, h) : nil
    score = attention == .additive ? matrix("score.weight", h, 1) : nil
    output = matrix("output.weight", h + context + (attention == .additive ? e : 0), tokens)
    outputBias = b.weight("output.bias", [tokens], .zeros)
  }

  static func recurrentWeights(
    _ b: GraphBuilder, _ cell: RecurrentCell, _ name: String, directions: Int, inputs: Int,
    hiddenSize h: Int
  ) -> [Value] {
    let g = cell.gates
    return [
      b.weight(
        name + ".input_weight", [directions, g * h, inputs], .glorot, fanIn: inputs, fanOut: h),
      b.weight(
        name + ".recurrent_weight", [directions, g * h, h], .orthogonal(blocks: directions * g)),
      b.weight(name + ".bias", [directions, 2 * g * h], .zeros),
    ]
  }

  static func attributes(_ cell: RecurrentCell, hiddenSize: Int, directions: Int) -> [String: Attribute] {
    var all: [String: Attribute] = ["hidden_size": .int(hiddenSize)]
    if directions == 2 { all["direction"] = "bidirectional" }
    if cell == .gru { all["linear_before_reset"] = 1 }
    return all
  }

  /// The first states, each [1, N, hidden], of a summary [1, N, …]: tanh(summary W + b), and an
  /// LSTM's cell 0.
  func begin(_ b: GraphBuilder, _ summary: Value) -> [Value] {
    let h = b.tanh(b.add(b.node("MatMul", [summary, start]), startBias))
    return cell == .lstm ? [h, b.multiply(h, b.constant(0))] : [h]
  }

  /// nil without attention.
  func memory(_ b: GraphBuilder, _ rows: Value) -> Memory? {
    key.map { Memory(rows: rows, keys: b.node("MatMul", [rows, $0])) }
  }

  /// token: int32 [1, N]; states: each [1, N, hidden]. A memory of one item serves all N.
  func step(
    _ b: GraphBuilder, _ token: Value, _ states: [Value], _ memory: Memory?, dropout: Float = 0
  ) -> Step {
    let e = b.dropout(b.node("Gather", [table, token]), ratio: dropout)
    func run(_ x: Value) -> (h: Value, c: Value?) {
      let outputs = b.nodes(
        cell.rawValue, name: "decoder", [x] + weights + [nil] + states,
        AttentionDecoder.attributes(cell, hiddenSize: hiddenSize, directions: 1),
        outputs: 1 + states.count)
      return (outputs[1], states.count > 1 ? outputs[2] : nil)
    }
    func logits(_ parts: [Value]) -> Value {
      let x = parts.count == 1 ? parts[0] : b.concat(parts, axis: 2)
      return b.add(b.node("MatMul", [x, output]), outputBias)
    }
    func look(_ memory: Memory, _ scores: Value) -> (weights: Value, context: Value) {
      let weights = b.softmax(
        memory.penalty.map { b.add(scores, $0) } ?? scores, name: "attention")
      return (weights, b.transpose(b.node("MatMul", [weights, memory.rows]), [1, 0, 2]))
    }
    switch (attention, memory) {
    case (.additive, let memory?):
      let asked = b.node("MatMul", [b.transpose(states[0], [1, 0, 2]), query!])
      let sums = b.node("MatMul", [b.tanh(b.add(memory.keys, asked)), score!])
      let seen = look(memory, b.transpose(sums, [0, 2, 1]))
      let next = run(b.concat([e, seen.context], axis: 2))
      return Step(
        logits: logits([next.h, seen.context, e]), h: next.h, c: next.c, weights: seen.weights)
    case (.multiplicative, let memory?):
      let next = run(e)
      let asked = b.transpose(next.h, [1, 0, 2])
      let seen = look(memory, b.node("MatMul", [asked, b.transpose(memory.keys, [0, 2, 1])]))
      return Step(logits: logits([next.h, seen.context]), h: next.h, c: next.c, weights: seen.weights)
    default:
      let next = run(e)
      return Step(logits: logits([next.h]), h: next.h, c: next.c, weights: nil)
    }
  }

  // MARK: The functions that are trained and run

  /// What "encode" leaves for "step": the decoder's states, and what it looks at.
  ///
  /// - Parameters:
  ///   - b: of "encode", at its end.
  ///   - batch: N.
  /// - Returns: The builder of "step": the token before, int32 [1, N], to "logits" [N, tokens] and,
  ///   with attention, "attention" [N, 1, S].
  func trainingStep(
    after b: GraphBuilder, summary: Value, rows: Value?, penalty: Value? = nil, batch: Int,
    dropout: Float
  ) -> GraphBuilder {
    let step = GraphBuilder(beside: b, function: "step")
    let token = step.input("token", .int32, [1, .fixed(batch)])
    func kept(_ name: String, _ value: Value) -> Value {
      let state = b.state(name, (value.shape ?? []).map { $0.fixed ?? 1 })
      b.update(state, to: value)
      return state
    }
    let states = zip(["h", "c"], begin(b, summary)).map(kept)
    var memory: Memory?
    if let rows, let made = self.memory(b, rows) {
      memory = Memory(
        rows: kept("memory", made.rows), keys: kept("keys", made.keys),
        penalty: penalty.map { kept("penalty", $0) })
    }
    let next = self.step(step, token, states, memory, dropout: dropout)
    for (state, value) in zip(states, next.states) { step.update(state, to: value) }
    step.output(step.squeeze(next.logits, axes: [0]), "logits")
    if let weights = next.weights { step.output(weights, "attention") }
    return step
  }

  /// Adds the search for the best sequence to the function that runs: see `BeamSearch`.
  ///
  /// - Parameters:
  ///   - summary: [1, 1, …]; rows: [1, S, width].
  /// - Returns: The builder of the loop's body.
  func search(_ b: GraphBuilder, _ search: BeamSearch, summary: Value, rows: Value?) -> GraphBuilder {
    let memory = rows.flatMap { self.memory(b, $0) }
    let decoder = BeamSearch.Decoder(
      states: begin(b, summary), captures: memory.map { [$0.rows, $0.keys] } ?? []
    ) { body, token, states, captures in
      let next = step(
        body, token, states,
        captures.isEmpty ? nil : Memory(rows: captures[0], keys: captures[1]))
      return (next.logits, next.states)
    }
    return search.add(to: b, decoder, name: "search")
  }

  /// Adds the functions for a program that searches itself: "encode", whose outputs are the first "h"
  /// (and "c" of an LSTM), [1, 1, hidden], and what attention looks at, "memory" [1, S, width] and
  /// "keys" [1, S, hidden]; and "step", which takes the token before, int32 [1, 1], and all of these, to
  /// "logits" [1, tokens], the next "h.next" (and "c.next"), and "attention" [1, 1, S].
  ///
  /// - Parameters:
  ///   - b: of "encode", with its input.
  /// - Returns: The builder of "step".
  func addParts(to b: GraphBuilder, summary: Value, rows: Value) -> GraphBuilder {
    let step = GraphBuilder(beside: b, function: "step")
    let token = step.input("token", .int32, [1, 1])
    func handOver(_ name: String, _ value: Value, _ shape: [Dimension]) -> Value {
      b.output(value, name)
      return step.input(name, .float32, shape)
    }
    let states = zip(["h", "c"], begin(b, summary)).map {
      handOver($0, $1, [1, 1, .fixed(hiddenSize)])
    }
    let memory = self.memory(b, rows).map { made in
      Memory(
        rows: handOver("memory", made.rows, [1, .free("S"), made.rows.shape?.last ?? .free("width")]),
        keys: handOver("keys", made.keys, [1, .free("S"), .fixed(hiddenSize)]))
    }
    let next = self.step(step, token, states, memory)
    step.output(step.squeeze(next.logits, axes: [0]), "logits")
    for (name, state) in zip(["h.next", "c.next"], next.states) { step.output(state, name) }
    if let weights = next.weights { step.output(weights, "attention") }
    return step
  }
}
