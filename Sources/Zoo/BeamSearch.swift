import Graph

/// Beam search as part of a model: the function that a program calls once to get a whole sequence.
///
/// The most likely `beams` beginnings are kept in each step, and those that have ended beside them
/// (Sutskever et al. 2014, section 3.2); at last the one with the greatest log-probability by token
/// counts. One beam is greedy decoding.
struct BeamSearch {
  var beams = 4
  /// Tokens at most.
  var length = 32
  /// Of the target's vocabulary; 0 ends a sequence.
  var tokens: Int
  var start: Int32 = 1

  /// What a decoder keeps from step to step, its second axis the beams.
  struct Decoder {
    /// At the start: each [1, 1, …].
    var states: [Value]
    /// Read in each step and not changed.
    var captures: [Value]
    /// One step: (builder, token int32 [1, beams], states, captures) to logits [1, beams, tokens] and
    /// states.
    var step: (GraphBuilder, Value, [Value], [Value]) -> (logits: Value, states: [Value])
  }

  /// Adds the search to a function: "tokens" int32 [length], 0 behind the end, and "score" [1], the
  /// mean log-probability of a token. The loop's body is a function of its own.
  ///
  /// - Returns: The body's builder, to be built with the others.
  func add(to b: GraphBuilder, _ decoder: Decoder, name: String) -> GraphBuilder {
    let k = beams
    let body = GraphBuilder(beside: b, function: name + "_step")
    let iteration = body.input("iteration", .int64, [])
    _ = body.input("going", .bool, [])
    let last = body.input("last", .int32, [1, .fixed(k)])
    let said = body.input("said", .int32, [.fixed(k), .fixed(length)])
    let scores = body.input("scores", .float32, [.fixed(k), 1])
    let ended = body.input("ended", .float32, [.fixed(k), 1])
    var shapes: [[Dimension]] = []
    for state in decoder.states {
      var shape = state.shape ?? []
      shape[1] = .fixed(k)
      shapes.append(shape)
    }
    let states = shapes.enumerated().map { i, shape in body.input("state\(i)", .float32, shape) }
    let captures = decoder.captures.enumerated().map { i, value in
      body.input("capture\(i)", .float32, value.shape ?? [])
    }

    let next = decoder.step(body, last, states, captures)
    let logits = body.squeeze(next.logits, axes: [0])
    let fresh = body.node("LogSoftmax", [logits], ["axis": -1])
    // What has ended goes on with the end alone, at no cost.
    let only = body.constant(
      "", [1, tokens], (0..<tokens).map { $0 == 0 ? 0 : -1e9 })
    let open = body.node("Sub", [body.constant(1), ended])
    let added = body.add(body.multiply(fresh, open), body.multiply(only, ended))
    let all = body.reshape(body.add(scores, added), [k * tokens])
    let best = body.nodes("TopK", [all, body.constant(integers: [k])], outputs: 2)
    let width = body.constant(integers: [tokens])
    let beam = body.node("Div", [best[1], width])
    let token = body.node("Cast", [body.node("Mod", [best[1], width])], ["to": 6])
    let column = body.reshape(token, [k, 1])
    let places = body.constant(integers: Array(0..<length))
    let here = body.node("Equal", [places, iteration])
    let history = body.node(
      "Where", [here, column, body.node("Gather", [said, beam], ["axis": 0])])
    let isEnd = body.node(
      "Cast", [body.node("Equal", [column, Value("", [1], int32: [0])])], ["to": 1])
    let rest = body.node("ReduceMin", [isEnd, body.constant(integers: [0, 1])], ["keepdims": 0])
    body.output(body.node("Less", [rest, body.constant("", [], [0.5])]), "goes_on")
    body.output(body.reshape(token, [1, k]), "last.next")
    body.output(history, "said.next")
    body.output(body.reshape(best[0], [k, 1]), "scores.next")
    body.output(isEnd, "ended.next")
    for (i, state) in next.states.enumerated() {
      body.output(body.node("Gather", [state, beam], ["axis": 1]), "state\(i).next")
    }

    let first = decoder.states.enumerated().map { i, state in
      b.node("Expand", [state, b.constant(integers: shapes[i].map { $0.fixed ?? 1 })])
    }
    let results = b.nodes(
      "Loop", name: name,
      [
        Value("", [], integers: [length]), nil,
        Value("", [1, k], int32: [Int32](repeating: start, count: k)),
        Value("", [k, length], int32: [Int32](repeating: 0, count: k * length)),
        b.constant("", [k, 1], (0..<k).map { $0 == 0 ? 0 : -1e9 }),
        b.constant("", [k, 1], [Float](repeating: 0, count: k)),
      ] + first + decoder.captures,
      ["body": .function(body.function), "captures": .int(decoder.captures.count)],
      outputs: 4 + first.count)
    // The mean over the tokens said, the end among them.
    let isSaid = b.node(
      "Cast", [b.node("Not", [b.node("Equal", [results[1], Value("", [1], int32: [0])])])], ["to": 1])
    let count = b.add(
      b.node("ReduceSum", [isSaid, b.constant(integers: [1])]), b.constant(1))
    let means = b.node("Div", [results[2], count])
    let chosen = b.node("ArgMax", [means], ["axis": 0])
    b.output(
      b.reshape(b.node("Gather", [results[1], chosen], ["axis": 0]), [length]), "tokens")
    b.output(b.reshape(b.node("Gather", [means, chosen], ["axis": 0]), [1]), "score")
    return body
  }
}
