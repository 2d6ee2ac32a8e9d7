import Graph
import Testing
import Training
import Zoo

private func trainable(_ graph: Graph, _ prefix: String = "") -> Int {
  graph.weights.filter { $0.isTrainable && $0.name.hasPrefix(prefix) }
    .reduce(0) { $0 + ($1.count ?? 0) }
}

/// The numbers of trainable parameters that the paper states for each layer.
@Test func leNetHasThePapersParameters() throws {
  let graph = try LeNet5().graph()
  #expect(trainable(graph, "C1.") == 156)
  #expect(trainable(graph, "S2.") == 12)
  #expect(trainable(graph, "S4.") == 32)
  #expect(trainable(graph, "C5.") == 48_120)
  #expect(trainable(graph, "F6.") == 10_164)
  // C3: those of its full matrix that Table I connects, and 16 biases.
  let table = graph.weights.first { $0.name == "C3.table" }!.floats
  #expect(Int(table.reduce(0, +)) + 16 == 1_516)
  let shapes = graph.mainFunction!.nodes.filter { ["C1", "S2", "C3", "S4", "C5", "F6"].contains($0.name) }
    .map { $0.outputs[0]!.shape!.dropFirst().compactMap(\.fixed) }
  #expect(
    shapes == [[6, 28, 28], [6, 14, 14], [16, 10, 10], [16, 5, 5], [120, 1, 1], [84]])
}

/// 0.27 million, Table 6 of the paper; the exact numbers by its layers: 3 × 3 convolutions without
/// bias, two numbers of normalisation for each map, a dense layer.
@Test func resNetHasThePapersParameters() throws {
  func count(_ blocks: Int) -> Int {
    var n = 3 * 9 * 16 + 2 * 16
    for (stage, maps) in [16, 32, 64].enumerated() {
      for block in 0..<blocks {
        let old = stage > 0 && block == 0 ? maps / 2 : maps
        n += 9 * old * maps + 9 * maps * maps + 4 * maps
      }
    }
    return n + 64 * 10 + 10
  }
  var net = ResNet20()
  #expect(try trainable(net.graph()) == count(3))
  #expect(count(3) == 269_722)
  net.blocks = 5
  #expect(try trainable(net.graph()) == count(5))
}

/// One arena holds every tensor, state and scratch buffer in at most 1.1 times the bytes that are
/// alive at one moment, whatever the batch and the kind of shortcut.
@Test(arguments: [ResNet20.Shortcut.padding, .projection], [1, 5])
func resNetFitsItsArena(_ shortcut: ResNet20.Shortcut, _ batch: Int) throws {
  var net = ResNet20()
  net.shortcut = shortcut
  let graph = try net.graph()
  try graph.apply()
  let plan = try RuntimeRun(graph, shapes: [[batch, 3, 32, 32]]).session.plan
  // Nowhere can there be less than a stage's block: its input, kept for the sum, and one more map.
  #expect(plan.lowerBound >= 2 * batch * 16 * 32 * 32 * 4)
  #expect(plan.arenaSize >= plan.lowerBound)
  #expect(Double(plan.arenaSize) <= 1.1 * Double(plan.lowerBound))
}

@Test func anExportedClassifierHasProbabilitiesAndLabels() throws {
  let samples = Samples(
    storage: .floats([0, 1, 1, 0]), shape: [2],
    targets: .classes([0, 1], names: ["left", "right"]), count: 2)
  let source = try SampleBatches(
    samples, indices: [0, 1], transforms: [], batchSize: 2, seed: 1, training: true)
  var net = MLP()
  (net.inputShape, net.hidden, net.outputs, net.dropout) = ([2], [3], 2, 0.5)
  let graph = try TrainedModel.export(
    net.graph(), into: net.graph(), loss: .crossEntropy, source: source, name: "sides")
  let again = try Graph(decoding: graph.encode())
  #expect(again.metadata("labels") == "left\nright")
  #expect(again.metadata("name") == "sides")
  #expect(again.mainFunction!.outputs.map(\.name) == ["probabilities"])
  #expect(again.mainFunction!.outputs[0].shape == [.free("N"), 2])
  #expect(again.mainFunction!.nodes.map(\.op) == ["Gemm", "Tanh", "Gemm", "Softmax"])
  let run = try RuntimeRun(again, shapes: [[2, 2]])
  run.set(input: 0, [0, 1, 1, 0])
  try run.session.run()
  let y = run.output(0)
  #expect(abs(y[0] + y[1] - 1) < 1e-6 && abs(y[2] + y[3] - 1) < 1e-6)
}

@Test func labelsThatNeedItAreWrittenAsJSON() throws {
  let text = "a\nb,"
  let vocabulary = Vocabulary(charactersOf: text)
  let source = try TokenBatches(
    vocabulary.tokens(text)[...], vocabulary: vocabulary, batchSize: 1, length: 2, name: "t")
  let net = CharRNN(vocabulary: vocabulary.count)
  let graph = try TrainedModel.export(
    net.graph(batch: 4), into: net.graph(), loss: .crossEntropy, source: source,
    vocabulary: vocabulary)
  #expect(graph.metadata("labels") == "[\"\",\"\\n\",\",\",\"a\",\"b\"]")
  #expect(graph.metadata("characters") == "\n,ab")
  #expect(graph.mainFunction!.outputs[0].name == "logits")
  #expect(graph.states.map(\.name) == ["lstm1.h", "lstm1.c", "lstm2.h", "lstm2.c"])
}
