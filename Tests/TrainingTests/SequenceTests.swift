import Foundation
import Graph
import Testing
import Zoo

@testable import Training

private func trainable(_ graph: Graph) -> Int {
  graph.weights.filter(\.isTrainable).reduce(0) { $0 + ($1.count ?? 0) }
}

/// Those of PyTorch's layers of the same sizes, by their formula: a bias for the input and one for h.
@Test func sequenceNetworksHaveTheirParameters() throws {
  for (cell, gates) in [(RecurrentCell.rnn, 1), (.lstm, 4), (.gru, 3)] {
    var net = SequenceNetwork()
    net.input = .numbers(features: 2)
    (net.cell, net.hiddenSize) = (cell, 64)
    let layer = gates * 64 * (2 + 64 + 2)
    #expect(try trainable(net.graph()) == layer + 65)
    net.isBidirectional = true
    #expect(try trainable(net.graph()) == 2 * layer + 129)
    if cell == .lstm {
      net.hasPeepholes = true
      #expect(try trainable(net.graph()) == 2 * layer + 2 * 3 * 64 + 129)
    }
  }
}

// MARK: PyTorch's numbers

/// Sequences of different lengths through two bidirectional layers of LSTM: loss, logits and
/// derivatives are those of PyTorch's packed sequences (make_packed_sequences.py).
@Test func packedSequencesAreThoseOfPyTorch() throws {
  var net = SequenceNetwork()
  net.input = .numbers(features: 2)
  (net.cell, net.layers, net.hiddenSize, net.outputs) = (.lstm, 2, 4, 3)
  (net.isBidirectional, net.reading, net.hasLengths) = (true, .each, true)
  let graph = try net.graph()
  let names = [
    "lstm1.input_weight", "lstm1.recurrent_weight", "lstm1.bias", "lstm2.input_weight",
    "lstm2.recurrent_weight", "lstm2.bias", "output.weight", "output.bias",
  ]
  let network = try Network<Double>(graph)
  func weight(_ name: String) -> Network<Double>.Parameter {
    network.weights.first { $0.value.name == name }!
  }
  for (n, name) in names.enumerated() {
    let tensor = weight(name).tensor
    for k in 0..<tensor.count { tensor.data[k] = sin(0.7 * Double(k) + Double(n + 1)) / 2 }
  }
  let (count, steps, lengths) = (3, 5, [5, 2, 4])
  let program = try network.program([[count, steps, 2], [count]], isTraining: true)
  for k in 0..<count * steps * 2 {
    let place: Int = 20 * (k / 10) + 3 * (k / 2 % 5) + k % 2
    program.inputs[0].data[k] = cos(0.3 * Double(place))
  }
  for i in 0..<count { program.inputs[1].integers[i] = Int64(lengths[i]) }
  let rows = (0..<count * steps).map { (sequence: $0 / steps, step: $0 % steps) }
  let classes = rows.map { Int32(($0.sequence + $0.step) % 3) }
  let mask = rows.map { Float($0.step < lengths[$0.sequence] ? 1 : 0) }
  program.forward()
  network.zeroGradients()
  program.zeroGradients()
  let loss = classes.withUnsafeBufferPointer { classes in
    mask.withUnsafeBufferPointer { mask in
      Loss.crossEntropy.evaluate(
        program.outputs[0], LossTargets(classes: classes.baseAddress, mask: mask.baseAddress))
    }
  }
  program.backward()
  #expect(loss.count == 11 && abs(loss.loss - 1.136083116) < 2e-9)
  for (i, y) in [0.509281588, 0.337352938, 0.00676193].enumerated() {
    #expect(abs(program.outputs[0].data[(steps + 1) * 3 + i] - y) < 2e-9)
  }
  // Of each direction's part: its norm, its number 5, and the last but two.
  let wanted: [String: [[Double]]] = [
    "lstm1.input_weight": [
      [0.003220302, -0.000318417, -0.000736135], [0.003098246, -0.000153966, 0.001171978],
    ],
    "lstm1.recurrent_weight": [
      [0.000933114, 2.6646e-05, 0.000345538], [0.00060635, -3.8749e-05, 0.000220768],
    ],
    "lstm1.bias": [
      [0.003531298, -0.000230851, -0.001754991], [0.003814077, -0.000458442, 4.291e-06],
    ],
    "lstm2.input_weight": [
      [0.01249161, -0.000186503, -0.00064235], [0.008634273, -0.000344996, 0.001946249],
    ],
    "lstm2.recurrent_weight": [
      [0.00640778, 0.000284448, -0.000685499], [0.001328591, -6.3318e-05, -0.000390743],
    ],
    "lstm2.bias": [
      [0.032689589, 0.002884579, 0.022639912], [0.023209034, 0.004439364, -0.008775612],
    ],
  ]
  for (name, directions) in wanted {
    let tensor = weight(name).tensor
    for (d, numbers) in directions.enumerated() {
      var size = tensor.count / 2
      let start = tensor.gradient! + d * size
      if name.hasSuffix(".bias") { size /= 2 }  // the input's; h's has the same
      let norm = (0..<size).reduce(0.0) { $0 + start[$1] * start[$1] }.squareRoot()
      for (found, number) in zip([norm, start[5], start[size - 3]], numbers) {
        #expect(abs(found - number) < 2e-9, "\(name), direction \(d)")
      }
    }
  }
}

// MARK: Ragged batches

private func ragged(_ labels: Int, perStep: Bool) -> [LabelledSequence] {
  [7, 1, 20, 12].enumerated().map { i, length in
    LabelledSequence(
      tokens: (0..<length).map { Int32(($0 * $0 + 3 * i) % 9) },
      labels: (0..<(perStep ? length : 1)).map { Int32(($0 + i) % labels) })
  }
}

private func network(
  _ cell: RecurrentCell, _ reading: SequenceNetwork.Reading, peepholes: Bool
) -> SequenceNetwork {
  var net = SequenceNetwork()
  net.input = .tokens(count: 9)
  (net.cell, net.reading, net.hasPeepholes) = (cell, reading, peepholes)
  (net.layers, net.hiddenSize, net.embedding, net.outputs) = (2, 6, 5, 3)
  (net.isBidirectional, net.hasLengths, net.seed) = (true, true, 4)
  return net
}

private let kinds: [(RecurrentCell, SequenceNetwork.Reading, peepholes: Bool)] = [
  (.rnn, .last, false), (.rnn, .each, false), (.gru, .mean, false), (.gru, .each, false),
  (.lstm, .last, true), (.lstm, .mean, false), (.lstm, .each, true),
]

/// Gives peepholes numbers other than the zeros that they start with.
private func drawPeepholes(_ graph: Graph) {
  for weight in graph.weights where weight.name.hasSuffix(".peepholes") {
    weight.floats = random(weight.fixedShape!, seed: 12)
  }
}

/// A padded batch is its sequences one by one: what comes out, in the trainer and in the runtime, and
/// the derivatives, each sequence's by the share of its steps.
@Test(arguments: kinds)
func raggedBatchesAreTheirSequences(
  _ kind: (RecurrentCell, SequenceNetwork.Reading, peepholes: Bool)
) throws {
  let net = network(kind.0, kind.1, peepholes: kind.peepholes)
  let sequences = ragged(3, perStep: kind.1 == .each)
  let graph = try net.graph()
  drawPeepholes(graph)
  let network = try Network<Float>(graph)
  let rollout = Rollout(network, isTraining: true)

  func run(_ chosen: [LabelledSequence], steps: Int) throws -> (y: [Float], gradients: [Float]) {
    network.zeroGradients()
    rollout.begin(resetsStates: true)
    let (inputs, labels, mask) = SequenceLabelling.batch(chosen, steps: steps)
    let y = try rollout.call(nil, inputs)[0]
    _ = labels.withUnsafeBufferPointer { labels in
      mask.withUnsafeBufferPointer { mask in
        Loss.crossEntropy.evaluate(
          y, LossTargets(classes: labels.baseAddress, mask: mask.baseAddress))
      }
    }
    rollout.backward()

    let deployed = try RuntimeRun(graph, shapes: [[chosen.count, steps], [chosen.count]])
    for (i, input) in inputs.enumerated() {
      guard case .integers(let numbers) = input.numbers else { continue }
      deployed.set(input: i, tokens: numbers)
    }
    try deployed.session.run()
    #expect(difference(deployed.output(0), y.values) < 1e-5)
    return (y.values, Array(network.gradients))
  }

  let together = try run(sequences, steps: 20)
  let answers = sequences.map(\.labels.count)
  let total = Float(answers.reduce(0, +))
  var sum = [Float](repeating: 0, count: together.gradients.count)
  for (i, sequence) in sequences.enumerated() {
    let alone = try run([sequence], steps: sequence.tokens.count)
    let row = together.y.count / sequences.count
    #expect(
      difference(Array(together.y[i * row..<i * row + alone.y.count]), alone.y) < 1e-5)
    for k in sum.indices { sum[k] += Float(answers[i]) / total * alone.gradients[k] }
  }
  #expect(difference(together.gradients, sum) < 1e-5)
}

/// What stands behind a sequence's end is of no account.
@Test func paddingDoesNotMatter() throws {
  let net = network(.lstm, .each, peepholes: true)
  let network = try Network<Float>(net.graph())
  let sequences = ragged(3, perStep: true)
  var (inputs, _, mask) = SequenceLabelling.batch(sequences)
  let rollout = Rollout(network, isTraining: false)
  rollout.begin(resetsStates: true)
  let clean = try rollout.call(nil, inputs)[0].values
  guard case .integers(var tokens) = inputs[0].numbers else { return }
  for i in tokens.indices where mask[i] == 0 { tokens[i] = 7 }
  inputs[0] = BatchTensor(inputs[0].shape, integers: tokens)
  rollout.begin(resetsStates: true)
  let dirty = try rollout.call(nil, inputs)[0].values
  for i in mask.indices where mask[i] == 1 {
    for k in 0..<3 { #expect(clean[i * 3 + k] == dirty[i * 3 + k]) }
  }
}

/// Each sequence once in an epoch, whatever its length; batches of few shapes.
@Test func anEpochHasEverySequenceOnce() throws {
  let sequences = (0..<103).map { i in
    LabelledSequence(
      tokens: [Int32](repeating: Int32(i % 9), count: 1 + (i * 37) % 60), labels: [Int32(i % 3)])
  }
  let network = try Network<Float>(network(.rnn, .last, peepholes: false).graph())
  let task = SequenceLabelling(sequences, batchSize: 8, seed: 3, isTraining: false)
  #expect(task.batchCount == 13)
  let evaluation = try network.evaluate(task)
  #expect(evaluation.count == 103)
  var mean = 0.0
  for sequence in sequences {
    let one = SequenceLabelling([sequence], batchSize: 1, seed: 3, isTraining: false)
    mean += try network.evaluate(one).loss / 103
  }
  #expect(abs(evaluation.loss - mean) < 1e-5)
}

// MARK: Jordan's network

/// The paper's recurrence, step by step.
@Test func jordanNetworkFeedsItsOutputsBack() throws {
  var net = JordanNetwork()
  (net.steps, net.features, net.outputs, net.hiddenSize, net.decay) = (6, 2, 3, 5, 0.4)
  let graph = try net.graph()
  let network = try Network<Float>(graph)
  let program = try network.program([[2, 6, 2]], isTraining: false)
  let x = random([2, 6, 2], seed: 6)
  program.inputs[0].values = x
  program.forward()
  let run = try RuntimeRun(graph, shapes: [[2, 6, 2]])
  run.set(input: 0, x)
  try run.session.run()
  #expect(difference(run.output(0), program.outputs[0].values) < 1e-5)

  func weight(_ name: String) -> [Float] { graph.weights.first { $0.name == name }!.floats }
  let (w, u) = (weight("hidden.input_weight"), weight("hidden.state_weight"))
  let v = weight("output.weight")
  for sample in 0..<2 {
    var s = [Float](repeating: 0, count: 3)
    var y = s
    for t in 0..<6 {
      let h = (0..<5).map { j -> Float in
        var sum: Float = 0
        for f in 0..<2 { sum += w[j * 2 + f] * x[(sample * 6 + t) * 2 + f] }
        for o in 0..<3 { sum += u[j * 3 + o] * s[o] }
        return tanh(sum)
      }
      y = (0..<3).map { o in (0..<5).reduce(0) { $0 + v[o * 5 + $1] * h[$1] } }
      s = (0..<3).map { 0.4 * s[$0] + y[$0] }
    }
    #expect(difference(Array(program.outputs[0].values[sample * 3..<sample * 3 + 3]), y) < 1e-5)
  }
}
