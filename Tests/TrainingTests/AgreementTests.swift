import Graph
import ModelFormat
import Quantization
import Runtime
import Testing
import Training
import Zoo

/// A graph of the runtime's in this process.
final class RuntimeRun {
  let session: Session
  private let loaded: ModelInMemory

  init(_ graph: Graph, shapes: [[Int]]) throws {
    loaded = try ModelInMemory(graph.encode())
    session = try loaded.session(
      function: loaded.model.defaultFunction,
      shapes: zip(graph.mainFunction!.inputs, shapes).map { (name: $0.name, dimensions: $1) })
  }

  deinit { session.close() }

  func set(input i: Int, _ values: [Float]) {
    let data = session.data(input: i).assumingMemoryBound(to: Float.self)
    for k in values.indices { data[k] = values[k] }
  }

  func set(input i: Int, tokens: [Int32]) {
    let data = session.data(input: i).assumingMemoryBound(to: Int32.self)
    for k in tokens.indices { data[k] = tokens[k] }
  }

  func output(_ i: Int) -> [Float] {
    let data = session.data(output: i).assumingMemoryBound(to: Float.self)
    return (0..<session.info(output: i).shape.count).map { data[$0] }
  }
}

/// The largest |a − b| as a share of the largest |b|.
func difference(_ a: [Float], _ b: [Float]) -> Float {
  guard a.count == b.count else { return .infinity }
  var largest: Float = 0
  var scale: Float = 1e-30
  for (x, y) in zip(a, b) {
    if !(x - y).isFinite { return .infinity }
    largest = max(largest, abs(x - y))
    scale = max(scale, abs(y))
  }
  return largest / scale
}

func random(_ shape: [Int], seed: UInt64, _ range: ClosedRange<Float> = -1...1) -> [Float] {
  var source = RandomSource(seed: seed)
  return (0..<shape.reduce(1, *)).map { _ in source.float(range.lowerBound, range.upperBound) }
}

/// What the trainer computes and what the runtime computes for one node are the same to 1e-5.
func expectAgreement(_ c: GradientCase) throws {
  let function = Function("main")
  let inputs = c.inputs.enumerated().map { i, input in input?.value("x\(i)") }
  function.inputs = inputs.compactMap { $0 }.filter { $0.kind == .activation }
  var numbers: [[Float]] = []
  for (i, input) in c.inputs.enumerated() {
    switch input {
    case .random(let shape, let range)?:
      numbers.append(
        random(shape, seed: UInt64(i), Float(range.lowerBound)...Float(range.upperBound)))
    case .real(_, let values)?: numbers.append(values.map { Float($0) })
    default: break
    }
  }
  function.outputs = (0..<c.outputs).map { Value("y\($0)") }
  function.nodes = [
    Node(c.op, inputs: inputs, outputs: function.outputs, attributes: c.attributes)
  ]
  let graph = Graph(functions: [function])
  let shapes = function.inputs.map { $0.fixedShape! }
  let network = try Network<Float>(graph)
  let program = try network.program(shapes, isTraining: false)
  let run = try RuntimeRun(graph, shapes: shapes)
  for (i, values) in numbers.enumerated() {
    program.inputs[i].values = values
    run.set(input: i, values)
  }
  program.forward()
  try run.session.run()
  for i in 0..<c.outputs where program.outputs[i].isReal {
    #expect(difference(run.output(i), program.outputs[i].values) < 1e-5)
  }
}

private func checkAgreement(
  trained: Graph, exported: Graph, shape: [Int], seed: UInt64
) throws {
  let program = try Network<Float>(trained).program([shape], isTraining: false)
  let run = try RuntimeRun(exported, shapes: [shape])
  let x = random(shape, seed: seed)
  program.inputs[0].values = x
  run.set(input: 0, x)
  program.forward()
  try run.session.run()
  #expect(difference(run.output(0), program.outputs[0].values) < 1e-5)
}

@Test(arguments: LeNet5.Subsampling.allCases, LeNet5.Connections.allCases)
func leNetAgrees(_ subsampling: LeNet5.Subsampling, _ connections: LeNet5.Connections) throws {
  var net = LeNet5()
  net.subsampling = subsampling
  net.connections = connections
  net.dropout = 0.5
  let exported = try net.graph()
  try exported.apply()
  let ops = exported.mainFunction!.nodes.map(\.op)
  #expect(!ops.contains("Dropout"))
  #expect(subsampling == .trainable || !ops.contains("Mul"))
  try checkAgreement(trained: net.graph(), exported: exported, shape: [3, 1, 32, 32], seed: 5)
}

@Test(arguments: ResNet20.Shortcut.allCases)
func resNetAgreesWithItsNormalisationFolded(_ shortcut: ResNet20.Shortcut) throws {
  var net = ResNet20()
  net.shortcut = shortcut
  let trained = try net.graph()
  // Normalisation with numbers that are no longer those of the start.
  var seed: UInt64 = 100
  for node in trained.mainFunction!.nodes where node.op == "BatchNormalization" {
    for i in 1...4 {
      seed += 1
      let value = node.inputs[i]!
      value.floats = random(value.fixedShape!, seed: seed, i == 4 || i == 1 ? 0.5...1.5 : -0.2...0.2)
    }
  }
  let exported = try net.graph()
  try exported.copyWeights(from: trained)
  try exported.apply()
  #expect(!exported.mainFunction!.nodes.contains { $0.op == "BatchNormalization" })
  try checkAgreement(trained: trained, exported: exported, shape: [2, 3, 32, 32], seed: 9)
}

/// Many streams in the trainer, one in the runtime; two windows, so that the state is carried.
@Test func characterModelsAgreeAndCarryTheirState() throws {
  var net = CharRNN(vocabulary: 11)
  (net.embedding, net.hiddenSize) = (7, 12)
  let (streams, length) = (3, 5)
  let trained = try net.graph(batch: streams)
  let exported = try net.graph()
  try exported.copyWeights(from: trained)
  try exported.apply()
  let network = try Network<Float>(trained)
  let program = try network.program([[length, streams]], isTraining: true)
  let long = try RuntimeRun(exported, shapes: [[length, 1]])
  let step = try RuntimeRun(exported, shapes: [[1, 1]])
  var source = RandomSource(seed: 4)
  for _ in 0..<2 {
    let tokens = (0..<length * streams).map { _ in Int32(source.next() % 11) }
    for (i, t) in tokens.enumerated() { program.inputs[0].integers[i] = Int64(t) }
    program.forward()
    program.carryStates()
    let y = program.outputs[0].values
    // The second of the streams.
    let own = (0..<length).map { (t: Int) -> Int32 in tokens[t * streams + 1] }
    var expected: [Float] = []
    for t in 0..<length {
      let row = (t * streams + 1) * 11
      expected += y[row..<(row + 11)]
    }
    long.set(input: 0, tokens: own)
    try long.session.run()
    #expect(difference(long.output(0), expected) < 1e-5)
    var stepped: [Float] = []
    for t in own {
      step.set(input: 0, tokens: [t])
      try step.session.run()
      stepped += step.output(0)
    }
    #expect(difference(stepped, expected) < 1e-5)
  }
}
