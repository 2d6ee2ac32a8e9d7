import Foundation
import Graph
import ModelFormat
import Operators
import Quantization
import Testing
import Training
import Zoo

// MARK: The straight-through estimator

/// A dense layer with rounded input, weights and output, against PyTorch 2's
/// fake_quantize_per_tensor_affine and fake_quantize_per_channel_affine with the same scales and
/// zero points, and their gradients. Four of the inputs and an output are clipped.
@Test(arguments: [true, false])
func aRoundedLayerIsPyTorchs(_ perChannel: Bool) throws {
  let x: [Float] = [1.61, 0.36, 0.18, -1.23, 0.09, -2.74, 0.67, 2.02, -2.87, 1.95, 1.04, 2.48]
  let w: [Float] = [-0.86, 0.3, 0.42, -0.08, 0.93, 0.82, 0.5, -0.16]
  let dy: [Float] = [1, -2, 0.5, 3, -1.5, 0.25]
  let function = Function("main")
  let input = Value("x", .float32, [3, 4])
  let weight = Value("w", [2, 4], floats: w)
  let bias = Value("b", [2], floats: [-0.68, -1.06])
  for value in [weight, bias] { value.isTrainable = true }
  let y = Value("y")
  function.inputs = [input]
  function.outputs = [y]
  function.nodes = [
    Node("Gemm", inputs: [input, weight, bias], outputs: [y], attributes: ["transB": 1])
  ]
  let graph = Graph(functions: [function])
  var options = QuantizationTraining()
  options.perChannelWeights = perChannel
  let rounding = try FakeQuantization(graph, options)
  #expect(rounding.scheme.groups.map { $0.map(\.name) } == [["x"], ["y"]])
  let network = try Network<Float>(
    graph, differentiatesBoundary: true, fakeQuantization: rounding)
  var numbers = network.snapshot()
  numbers.replaceSubrange((numbers.count - 4)..., with: [-1.5, 2, -2, 1.25])
  network.restore(numbers)
  let program = try network.program([[3, 4]], isTraining: false)
  program.inputs[0].values = x
  program.forward()
  program.zeroGradients()
  network.zeroGradients()
  for i in dy.indices { program.outputs[0].gradient![i] = dy[i] }
  program.backward()

  func expect(_ found: [Float], _ wanted: [Float]) {
    #expect(zip(found, wanted).allSatisfy { abs($0 - $1) < 2e-6 }, "\(found) \(wanted)")
  }
  func gradient(_ tensor: Tensor<Float>) -> [Float] {
    (0..<tensor.count).map { tensor.gradient![$0] }
  }
  func weightGradient(_ name: String) -> [Float] {
    gradient(network.weights.first { $0.value.name == name }!.tensor)
  }
  expect(
    program.outputs[0].values,
    perChannel
      ? [-1.784314, 1.019608, -1.083333, -2.00098, 1.24902, -0.65]
      : [-1.771569, 1.019608, -1.096078, -2.00098, 1.24902, -0.65])
  expect(
    gradient(program.inputs[0]),
    perChannel
      ? [-2.72, -1.342362, -0.576063, 0.240945, -0.43, 0, 0.209921, 0, 0, 0.205039, 0.124488, 0]
      : [-2.716772, -1.340079, -0.578504, 0.241654, -0.428386, 0, 0.208701, 0, 0, 0.205039,
        0.124488, 0])
  expect(
    weightGradient("w"),
    [1.653922, -0.391176, 0.514706, -0.233333, -3.585784, -0.226471, -0.096078, 2.971569])
  expect(weightGradient("b"), [1.5, -1.75])
}

@Test func rangesFollowTheBatchesUntilTheyAreFrozen() throws {
  func ranges(_ change: (inout QuantizationTraining) -> Void) throws -> [Float] {
    var options = QuantizationTraining()
    change(&options)
    let function = Function("main")
    let x = Value("x", .float32, [2, 1])
    let y = Value("y")
    function.inputs = [x]
    function.outputs = [y]
    function.nodes = [Node("MatMul", inputs: [x, Value("w", [1, 1], floats: [1])], outputs: [y])]
    let rounding = try FakeQuantization(Graph(functions: [function]), options)
    let network = try Network<Float>(
      Graph(functions: [function]), fakeQuantization: rounding)
    let program = try network.program([[2, 1]], isTraining: true)
    for batch: [Float] in [[-1, 2], [-3, 1], [0.5, 4]] {
      program.inputs[0].values = batch
      program.forward()
      rounding.ranges.endBatch()
    }
    // Looking at other data changes nothing.
    let other = try network.program([[2, 1]], isTraining: false)
    other.inputs[0].values = [-100, 100]
    other.forward()
    rounding.ranges.endBatch()
    let range = rounding.ranges.ranges[0]!
    return [range.lower, range.upper]
  }
  let average = try ranges { $0.momentum = 0.75 }
  #expect(abs(average[0] - (0.75 * (0.75 * -1 + 0.25 * -3) + 0.25 * 0.5)) < 1e-6)
  #expect(abs(average[1] - (0.75 * (0.75 * 2 + 0.25 * 1) + 0.25 * 4)) < 1e-6)
  #expect(try ranges { $0.observer = .minmax } == [-3, 4])
}

// MARK: Training and the int8 network

/// Random samples with classes that hang together with them.
private func samples(_ shape: [Int], classes: Int, count: Int) -> Samples {
  let size = shape.reduce(1, *)
  var x = random([count, size], seed: 5, 0...1)
  var labels: [Int32] = []
  for i in 0..<count {
    labels.append(Int32(i % classes))
    // A bright stripe by which the class is told.
    let width = size / classes
    for k in 0..<width { x[i * size + (i % classes) * width + k] += 0.7 }
  }
  return Samples(
    storage: .floats(x), shape: shape,
    targets: .classes(labels, names: (0..<classes).map { "\($0)" }), count: count)
}

private func classifier(
  _ graph: Graph, _ shape: [Int], epochs: Int = 3, count: Int = 64,
  _ change: (inout TrainerOptions) -> Void = { _ in }
) throws -> Trainer {
  let data = samples(shape, classes: 4, count: count)
  let batches = try SampleBatches(
    data, indices: Array(0..<count), transforms: [], batchSize: 16, seed: 7, training: true)
  var options = TrainerOptions()
  options.epochs = epochs
  options.rule = Adam()
  options.learningRate = 0.003
  options.quantization = QuantizationTraining()
  options.quantization!.epochs = 2
  options.quantization!.frozenEpochs = 1
  options.quantization!.momentum = 0.8
  change(&options)
  return try Trainer(graph, training: batches, validation: nil, options: options)
}

/// What the int8 file says before its softmax, and the step of that.
private func logits(_ file: [UInt8], _ x: [Float], _ shape: [Int]) throws -> ([Float], Float) {
  let graph = try Graph(decoding: file)
  let function = graph.mainFunction!
  let softmax = function.producer(of: function.outputs[0])!
  #expect(softmax.op == "Softmax")
  function.outputs[0] = softmax.input(0)!
  function.removeUnusedNodes()
  try graph.inferShapes()
  let last = function.producer(of: function.outputs[0])!
  #expect(last.op == "DequantizeLinear")
  let run = try RuntimeRun(graph, shapes: [shape])
  run.set(input: 0, x)
  try run.session.run()
  return (run.output(0), last.input(1)!.floats[0])
}

private struct Case: CustomTestStringConvertible, Sendable {
  let name: String
  let shape: [Int]
  let make: @Sendable () throws -> Graph
  var change: @Sendable (inout TrainerOptions) -> Void = { _ in }
  var testDescription: String { name }
}

private let cases: [Case] = [
  Case(name: "LeNet-5, ReLU and max", shape: [1, 32, 32], make: { try lenet(.relu, .max, .full) }),
  Case(
    name: "LeNet-5 of the paper", shape: [1, 32, 32],
    make: { try lenet(.tanh, .trainable, .published) }),
  Case(
    name: "LeNet-5, tanh and average, int8, one scale for a weight", shape: [1, 32, 32],
    make: { try lenet(.tanh, .average, .full) },
    change: {
      $0.quantization!.activations = .int8
      $0.quantization!.perChannelWeights = false
    }),
  Case(name: "ResNet-8", shape: [3, 32, 32], make: { try resnet(.padding) }),
  Case(
    name: "ResNet-8 with projections, equalised", shape: [3, 32, 32],
    make: { try resnet(.projection) },
    change: {
      $0.quantization!.equalizes = true
      $0.quantization!.observer = .minmax
      $0.quantization!.learningRate = 0.001
    }),
  Case(
    name: "MLP with sigmoid", shape: [2, 9], make: { try mlp() },
    change: {
      $0.epochs = 12
      $0.learningRate = 0.02
    }),
]

private func lenet(
  _ activation: Activation, _ subsampling: LeNet5.Subsampling, _ connections: LeNet5.Connections
) throws -> Graph {
  var net = LeNet5()
  net.activation = activation
  net.subsampling = subsampling
  net.connections = connections
  net.classes = 4
  net.dropout = 0.3
  return try net.graph()
}

private func resnet(_ shortcut: ResNet20.Shortcut) throws -> Graph {
  var net = ResNet20()
  net.blocks = 1
  net.shortcut = shortcut
  net.classes = 4
  return try net.graph()
}

private func mlp() throws -> Graph {
  var net = MLP()
  net.inputShape = [2, 9]
  net.hidden = [24, 16]
  net.activation = .sigmoid
  net.outputs = 4
  net.dropout = 0.2
  return try net.graph()
}

/// What training computes is what the int8 network computes, but for sums that another order of
/// additions puts on the other side of a half.
@Test(arguments: cases)
private func trainingRoundsAsTheInt8NetworkDoes(_ c: Case) throws {
  let trainer = try classifier(c.make(), c.shape, c.change)
  try trainer.run()
  trainer.finish()
  let made = try TrainedModel.exportQuantized(
    trainer, into: c.make())
  #expect(made.int8.report.floatLayers.map(\.operator) == ["Softmax"])
  let shape = [100] + c.shape
  let x = samples(c.shape, classes: 4, count: 100)
  guard case .floats(let numbers) = x.storage else { return }
  let program = try trainer.network.program([shape], isTraining: false)
  program.inputs[0].values = numbers
  program.forward()
  let wanted = program.outputs[0].values
  let (found, step) = try logits(made.int8.file, numbers, shape)
  #expect(wanted.count == found.count && Set(wanted).count > 8)
  let steps = zip(wanted, found).map { ($0 - $1).magnitude / step }
  let near = steps.filter { $0 < 1.01 }.count
  #expect(Double(near) >= 0.999 * Double(steps.count), "\(steps.max()!)")
  #expect(Double(steps.filter { $0 < 0.01 }.count) >= 0.9 * Double(steps.count))
  // The float model is another network, if a near one.
  let float = try RuntimeRun(made.graph, shapes: [shape])
  float.set(input: 0, numbers)
  try float.session.run()
  #expect(difference(float.output(0), softmax(wanted, 4)) < 0.2)
}

private func softmax(_ x: [Float], _ n: Int) -> [Float] {
  stride(from: 0, to: x.count, by: n).flatMap { i -> [Float] in
    let e = x[i..<(i + n)].map { expf($0) }
    let sum = e.reduce(0, +)
    return e.map { $0 / sum }
  }
}

/// A run that was interrupted before, at and after the beginning of training for int8 ends as one
/// that was not; and so does its int8 model.
@Test func trainingForInt8IsRepeatedAndResumedBitForBit() throws {
  func make(_ epochs: Int = 6) throws -> Trainer {
    try classifier(lenet(.tanh, .trainable, .published), [1, 32, 32], epochs: epochs) {
      $0.l2 = 1e-4
      $0.quantization!.epochs = 4
      $0.quantization!.frozenEpochs = 2
      $0.schedule = .cosine(final: 0.1)
    }
  }
  func file(_ trainer: Trainer) throws -> [UInt8] {
    try TrainedModel.exportQuantized(
      trainer, into: lenet(.tanh, .trainable, .published)
    ).int8.file
  }
  let folder = NSTemporaryDirectory() + "apus-\(UUID().uuidString)-"
  func path(_ epoch: Int) -> String { "\(folder)\(epoch).ckpt" }
  defer { for i in 1...6 { try? FileManager.default.removeItem(atPath: path(i)) } }
  let whole = try make()
  whole.onEpoch = { [unowned whole] _ in try whole.checkpoint().write(to: path(whole.epoch)) }
  try whole.run()
  let wanted = whole.network.snapshot()
  #expect(whole.floatWeights != nil)
  for epoch in [1, 2, 3, 5, 6] {
    let resumed = try make()
    try resumed.resume(Checkpoint(contentsOf: path(epoch)))
    #expect((resumed.floatWeights != nil) == (epoch > 2))
    try resumed.run()
    #expect(resumed.network.snapshot() == wanted, "from epoch \(epoch)")
    #expect(resumed.best == whole.best && resumed.bestEpoch == whole.bestEpoch)
    #expect(try file(resumed) == file(whole))
  }
  let other = try classifier(lenet(.tanh, .trainable, .published), [1, 32, 32]) {
    $0.quantization = nil
  }
  #expect(throws: TrainingError.self) { try other.resume(Checkpoint(contentsOf: path(4))) }
}

/// In the last epochs weights change and ranges do not; and connections that a network lacks do not
/// come back when their mask is folded.
@Test func whatStandsStillStandsStill() throws {
  let trainer = try classifier(lenet(.tanh, .average, .published), [1, 32, 32], epochs: 5) {
    $0.quantization!.epochs = 4
    $0.quantization!.frozenEpochs = 2
  }
  var ranges: [[Float]] = []
  var weights: [[Float]] = []
  trainer.onEpoch = { [unowned trainer] _ in
    guard let rounding = trainer.network.fakeQuantization else { return }
    ranges.append(rounding.ranges.ranges.flatMap { [$0!.lower, $0!.upper] })
    weights.append(Array(trainer.network.parameters))
  }
  try trainer.run()
  #expect(ranges.count == 4 && ranges[0] != ranges[1])
  #expect(ranges[1] == ranges[2] && ranges[2] == ranges[3])
  #expect(weights[2] != weights[3])
  trainer.finish()
  let third = trainer.network.graph.mainFunction!.nodes.first { $0.name == "C3" }!.input(1)!.floats
  // 60 of 96 pairs of maps are connected.
  #expect(third.filter { $0 == 0 }.count == 36 * 25 && third.count == 96 * 25)
}

/// A recurrent network computes in training what its int8 form does with DynamicQuantizeRNN, LSTM
/// or GRU: rounded weights, a scale for each column, and rounded rows of what these multiply.
@Test(arguments: RecurrentCell.allCases)
func aCharacterModelIsTrainedAsItsInt8FormIs(_ cell: RecurrentCell) throws {
  let text = String(repeating: "aababc", count: 200)
  let vocabulary = Vocabulary(charactersOf: text)
  let batches = try TokenBatches(
    vocabulary.tokens(text)[...], vocabulary: vocabulary, batchSize: 2, length: 4, name: "text")
  var net = CharRNN(vocabulary: vocabulary.count)
  (net.embedding, net.hiddenSize, net.layers, net.cell) = (4, 12, 2, cell)
  var options = TrainerOptions()
  options.epochs = 4
  options.rule = Adam()
  options.learningRate = 0.01
  options.quantization = QuantizationTraining()
  options.quantization!.epochs = 2
  let trainer = try Trainer(
    net.graph(batch: 2), training: batches, validation: nil, options: options)
  try trainer.run()
  trainer.finish()
  #expect(trainer.history.last!.training.loss < 0.4)
  let made = try TrainedModel.exportQuantized(
    trainer, into: net.graph(batch: 2), vocabulary: vocabulary)
  #expect(
    made.int8.report.integerLayers.filter { $0.operator == cell.rawValue }.count == 2,
    "\(made.int8.report.layers)")

  // Three windows, with the state carried on.
  let graph = try Graph(decoding: made.int8.file)
  let output = graph.mainFunction!.outputs[0]
  let last = graph.mainFunction!.producer(of: output)!
  #expect(last.op == "DequantizeLinear")
  let step = last.input(1)!.floats[0]
  let run = try RuntimeRun(graph, shapes: [[4, 2]])
  let program = try trainer.network.program([[4, 2]], isTraining: false)
  trainer.network.resetStates()
  var steps: [Float] = []
  for window in 0..<3 {
    let tokens = (0..<8).map { Int32(($0 * 5 + window * 3) % vocabulary.count) }
    if program.inputs[0].isReal {
      for i in 0..<8 { program.inputs[0].data[i] = Float(tokens[i]) }
    } else {
      for i in 0..<8 { program.inputs[0].integers[i] = Int64(tokens[i]) }
    }
    program.forward()
    program.carryStates()
    run.set(input: 0, tokens: tokens)
    try run.session.run()
    steps += zip(program.outputs[0].values, run.output(0)).map { ($0 - $1).magnitude / step }
  }
  #expect(steps.count == 24 * vocabulary.count && steps.allSatisfy { $0 < 1.01 }, "\(steps)")
  #expect(Double(steps.filter { $0 < 0.01 }.count) >= 0.9 * Double(steps.count))
}

@Test func aNetworkWithNothingToRoundIsRefused() throws {
  let function = Function("main")
  let (x, y) = (Value("x", .float32, [.free("N"), 4]), Value("y"))
  let w = Value("w", [4], floats: [1, 2, 3, 4])
  w.isTrainable = true
  function.inputs = [x]
  function.outputs = [y]
  function.nodes = [Node("Mul", inputs: [x, w], outputs: [y])]
  let graph = Graph(functions: [function])
  #expect(throws: TrainingError.self) { try FakeQuantization(graph, QuantizationTraining()) }
}
