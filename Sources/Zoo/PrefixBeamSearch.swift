import Graph

/// Prefix beam search as part of a model: the labels that a network trained with CTC says, found in
/// one call (A. Y. Hannun et al., "First-pass large vocabulary continuous speech recognition using
/// bi-directional recurrent DNNs", 2014, algorithm 1, without a language model).
///
/// Of each beginning it knows the probability of all ways to say it, those that end with a blank apart
/// from those that do not; the most likely `beams` beginnings are kept in each step. Label 0 is the
/// blank.
struct PrefixBeamSearch {
  var beams = 16
  /// Labels at most; what does not fit is left out.
  var length = 128

  /// A logarithm of no probability, and of what is less likely than that.
  private static let never: Float = -1e9
  private static let excluded: Float = -4e9

  /// Adds the search to a function: "labels" int32 [length], 0 behind the end, and "score" [1], the
  /// logarithm of their probability as far as the beams saw it. A step takes beams² · length
  /// comparisons.
  ///
  /// - Parameters:
  ///   - logits: [T, classes].
  ///   - classes: at least 2.
  /// - Returns: The builder of the loop's body, to be built with the others.
  func add(to b: GraphBuilder, logits: Value, classes: Int) -> GraphBuilder {
    let k = beams
    let body = self.body(beside: b, classes: classes)
    let count = b.squeeze(b.node("Shape", [logits], ["start": 0, "end": 1]), axes: [0])
    // At first nothing is said, in one beam; the others say what nobody says, each something else.
    let said = Value(
      "", [k, length], int32: (0..<k).flatMap { [Int32](repeating: Int32(-$0), count: length) })
    let never = PrefixBeamSearch.never
    let results = b.nodes(
      "Loop", name: "prefix_beam_search",
      [
        count, nil, said, said,
        Value("", [k], int32: [Int32](repeating: 0, count: k)),
        Value("", [k, 1], int32: [Int32](repeating: 0, count: k)),
        b.constant("", [k, 1], (0..<k).map { $0 == 0 ? 0 : never }),
        b.constant("", [k, 1], [Float](repeating: never, count: k)),
        b.node("LogSoftmax", [logits], ["axis": -1]),
      ],
      ["body": .function(body.function), "captures": 1], outputs: 6)
    let scores = b.logSum(results[4], results[5])
    let best = b.node("ArgMax", [scores], ["axis": 0, "keepdims": 0])
    b.output(b.reshape(b.node("Gather", [results[0], best], ["axis": 0]), [length]), "labels")
    b.output(b.reshape(b.node("Gather", [scores, best], ["axis": 0]), [1]), "score")
    return body
  }

  /// One step of all beams.
  private func body(beside other: GraphBuilder, classes c: Int) -> GraphBuilder {
    let k = beams
    let b = GraphBuilder(beside: other, function: "prefix_beam_search_step")
    let iteration = b.input("iteration", .int64, [])
    let going = b.input("going", .bool, [])
    /// The labels of each beginning, those without the last one, the last one, and how many.
    let said = b.input("said", .int32, [.fixed(k), .fixed(length)])
    let parent = b.input("parent", .int32, [.fixed(k), .fixed(length)])
    let last = b.input("last", .int32, [.fixed(k)])
    let count = b.input("count", .int32, [.fixed(k), 1])
    /// Logarithms of the probabilities of the ways to say it that end with a blank, and of the others.
    let blank = b.input("blank", .float32, [.fixed(k), 1])
    let label = b.input("label", .float32, [.fixed(k), 1])
    let all = b.input("all", .float32, [.free("T"), .fixed(c)])
    let places = Value("", [1, length], int32: (0..<length).map { Int32($0) })
    let never = b.constant(PrefixBeamSearch.never)
    let excluded = b.constant(PrefixBeamSearch.excluded)

    let y = b.reshape(b.node("Gather", [all, iteration], ["axis": 0]), [c])
    let sum = b.logSum(blank, label)
    // A beginning grows by a label; by its last one again only after a blank.
    let labels = Value("", [1, c], int32: (0..<c).map { Int32($0) })
    let column = b.reshape(last, [k, 1])
    let isLast = b.node("Equal", [labels, column])
    let isBlank = b.constant("", [1, c], (0..<c).map { $0 == 0 ? 1 : 0 })
    let grown = b.add(
      b.add(b.node("Where", [isLast, blank, sum]), y), b.multiply(isBlank, never))
    // It may grow to what another beam says already: [from, to], and by which label.
    let equal = b.node(
      "Equal",
      [
        b.node("Unsqueeze", [said, b.constant(integers: [1])]),
        b.node("Unsqueeze", [parent, b.constant(integers: [0])]),
      ])
    let same = b.node(
      "ReduceMin", [b.node("Cast", [equal], ["to": 1]), b.constant(integers: [2])],
      ["keepdims": 0])
    let isSame = b.node("Greater", [same, b.constant(0.5)])
    let joined = b.node("Where", [isSame, b.node("Gather", [grown, last], ["axis": 1]), never])
    let joining = b.transpose(b.node("ReduceMax", [joined, b.constant(integers: [0])]), [1, 0])
    // The beginning stays: with a blank, or by its last label again.
    let stayBlank = b.add(sum, b.slice(y, axis: 0, 0..<1))
    let again = b.reshape(b.node("Gather", [y, last], ["axis": 0]), [k, 1])
    let stayLabel = b.logSum(b.add(label, again), joining)
    let stay = b.logSum(stayBlank, stayLabel)
    // What has joined another beam, or has no room, is no candidate of its own.
    let isKnown = b.node("MatMul", [same, b.node("Cast", [isLast], ["to": 1])])
    let isFull = b.node("Equal", [count, Value("", [1], int32: [Int32(length)])])
    let open = b.node("Where", [isFull, excluded, b.add(grown, b.multiply(isKnown, excluded))])
    let candidates = b.reshape(b.concat([stay, b.slice(open, axis: 1, 1..<c)], axis: 1), [k * c])

    let best = b.nodes("TopK", [candidates, b.constant(integers: [k])], outputs: 2)
    let width = b.constant(integers: [c])
    let beam = b.node("Div", [best[1], width])
    let chosen = b.reshape(
      b.node("Cast", [b.node("Mod", [best[1], width])], ["to": 6]), [k, 1])
    let stays = b.node("Equal", [chosen, Value("", [1], int32: [0])])
    func of(_ x: Value) -> Value { b.node("Gather", [x, beam], ["axis": 0]) }
    let scores = b.reshape(best[0], [k, 1])
    let (before, length) = (of(said), of(count))
    let isHere = b.node(
      "And", [b.node("Equal", [places, length]), b.node("Not", [stays])])
    b.output(going, "goes_on")
    b.output(b.node("Where", [isHere, chosen, before]), "said.next")
    b.output(b.node("Where", [stays, of(parent), before]), "parent.next")
    b.output(
      b.reshape(b.node("Where", [stays, of(column), chosen]), [k]), "last.next")
    b.output(
      b.add(length, b.node("Cast", [b.node("Not", [stays])], ["to": 6])), "count.next")
    b.output(b.node("Where", [stays, of(stayBlank), never]), "blank.next")
    b.output(b.node("Where", [stays, of(stayLabel), scores]), "label.next")
    return b
  }
}

extension GraphBuilder {
  /// log(eᵃ + eᵇ) where neither overflows.
  fileprivate func logSum(_ a: Value, _ b: Value) -> Value {
    let distance = node("Neg", [node("Abs", [node("Sub", [a, b])])])
    return add(node("Max", [a, b]), node("Softplus", [distance]))
  }
}
