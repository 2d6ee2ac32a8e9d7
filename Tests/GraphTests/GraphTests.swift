import Foundation
import Graph
import ModelFormat
import Runtime
import Testing

/// Relu over a free batch, and what the file says of it.
private func reluGraph() throws -> Graph {
  let b = GraphBuilder(seed: 1)
  let x = b.input("x", .float32, [.free("N"), 3])
  b.output(b.relu(x), "y")
  return try b.build()
}

/// A graph with everything that the format holds, of operators that only move data.
private func fullGraph() throws -> Graph {
  let b = GraphBuilder(seed: 1)
  let tokens = b.input("tokens", .int64, [.free("T"), 2])
  let table = b.weight("table", [5, 4], .uniform(0.5))
  let rows = b.node("Gather", name: "look up", [table, tokens], ["axis": 0])
  let last = b.state("last", [1, 2, 4], initial: (0..<8).map(Float.init))
  let joined = b.node("Concat", name: "join", [last, rows], ["axis": 0])
  let parts = b.nodes(
    "Split", name: "cut", [rows, b.constant(integers: [2, 2])], ["axis": 2], outputs: 2)
  let flat = b.reshape(joined, [-1, 8])
  b.output(flat, "history")
  b.output(parts[0], "left")
  let zero = b.state("zero", [1, 2, 4])
  let sum = b.node("Concat", [zero, last], ["axis": 1])
  b.output(sum, "states")
  let one = b.node(
    "Slice", name: "newest",
    [rows, b.constant(integers: [0]), b.constant(integers: [1]), b.constant(integers: [0])])
  b.update(last, to: one)
  b.setMetadata("name", "test")
  b.setMetadata("labels", "null\neins\nzwei – drei")
  return try b.build()
}

@Test func freeDimensionsKeepTheirNames() throws {
  let graph = try fullGraph()
  let outputs = graph.mainFunction!.outputs
  #expect(outputs[0].shape == [.free(""), 8])
  #expect(outputs[1].shape == [.free("T"), 2, 2])
  #expect(outputs[2].shape == [1, 4, 4])
}

@Test func aFileReadBackIsTheSameFile() throws {
  let graph = try fullGraph()
  let file = try graph.encode()
  let again = try Graph(decoding: file)
  #expect(try again.encode() == file)
  #expect(again.metadata("labels") == "null\neins\nzwei – drei")
  #expect(again.mainFunction!.nodes.map(\.op) == graph.mainFunction!.nodes.map(\.op))
  #expect(again.mainFunction!.nodes.map(\.name) == graph.mainFunction!.nodes.map(\.name))
  #expect(again.mainFunction!.nodes[0].int("axis", default: 9) == 0)
  #expect(again.states.map(\.name) == ["last", "zero"])
  #expect(again.states[0].floats == (0..<8).map(Float.init))
  #expect(again.states[1].bytes.isEmpty)
  let table = again.weights.first { $0.name == "table" }!
  #expect(table.floats == graph.weights.first { $0.name == "table" }!.floats)
}

@Test func quantizationAndSmallTypesAreKept() throws {
  let graph = try reluGraph()
  let f = graph.mainFunction!
  let half = Value("half", .float16, [2, 3], kind: .weight, bytes: [UInt8](0..<12))
  let int8 = Value("int8", .int8, [2, 3], kind: .weight, bytes: [1, 2, 3, 4, 5, 255])
  int8.quantization = Quantization(axis: 1, scales: [0.5, 0.25, 2], zeroPoints: [0, -3, 7])
  let joined = Value()
  f.nodes.append(
    Node("Concat", inputs: [half, int8], outputs: [joined], attributes: ["axis": 0]))
  joined.name = "joined"
  f.outputs.append(joined)
  let again = try Graph(decoding: graph.encode())
  let weights = again.weights
  #expect(weights.map(\.bytes) == [half.bytes, int8.bytes])
  #expect(weights[0].dataType == .float16)
  #expect(weights[1].quantization == int8.quantization)
  #expect(again.mainFunction!.outputs[1].dataType == .float32)
}

@Test func functionsShareTheirWeights() throws {
  let graph = try fullGraph()
  let table = graph.weights.first { $0.name == "table" }!
  let index = Value("index", .int64, [1])
  let row = Value("row")
  graph.functions.append(
    Function(
      "one", inputs: [index], outputs: [row],
      nodes: [Node("Gather", inputs: [table, index], outputs: [row])]))
  let again = try Graph(decoding: graph.encode())
  #expect(again.functions.map(\.name) == ["main", "one"])
  let shared = again.functions[1].nodes[0].inputs[0]
  #expect(shared === again.functions[0].nodes[0].inputs[0])
  #expect(again.functions[1].outputs[0].shape == [1, 4])
}

@Test func theRuntimeRunsWhatIsWritten() throws {
  let file = try reluGraph().encode()
  try file.withUnsafeBytes { bytes in
    let model = try Model(bytes: bytes.baseAddress!, size: bytes.count)
    let session = try Session(Plan(model, function: 0))
    let x = session.data(input: 0).assumingMemoryBound(to: Float.self)
    (x[0], x[1], x[2]) = (-1, 2, -3)
    try session.run()
    let y = session.data(output: 0).assumingMemoryBound(to: Float.self)
    #expect([y[0], y[1], y[2]] == [0, 2, 0])
  }
}

@Test func theFileIsHardlyLargerThanItsWeights() throws {
  // The eleven parameter tensors of a net of LeNet's size, each passed through a node.
  let graph = Graph(functions: [Function("main")])
  let f = graph.functions[0]
  var raw = 0
  let shapes = [
    [6, 1, 5, 5], [6], [16, 6, 5, 5], [16], [120, 16, 5, 5], [120], [84, 120], [84], [10, 84], [10],
  ]
  for (i, shape) in shapes.enumerated() {
    let n = shape.reduce(1, *)
    let w = Value("layer.weight\(i)", shape, floats: [Float](repeating: 1, count: n))
    let y = Value("a\(i)")
    f.nodes.append(Node("Relu", name: "node \(i)", inputs: [w], outputs: [y]))
    f.outputs.append(y)
    raw += 4 * n
  }
  let size = try graph.encode().count
  #expect(size - raw < raw / 50 + 4096, "\(size) bytes for \(raw) bytes of weights")
}

@Test func mistakesAreNamed() throws {
  func message(_ work: () throws -> Void) -> String {
    do {
      try work()
      return "no error"
    } catch { return "\(error)" }
  }
  let graph = try reluGraph()
  graph.mainFunction!.nodes[0].attributes["slope"] = 1
  #expect(message { _ = try graph.encode() } == "node Relu: Relu has no attribute slope")

  let b = GraphBuilder()
  let x = b.input("x", .float32, [.free("N"), 3])
  b.output(b.reshape(x, [4, -1]), "y")
  // N has several numbers in turn; 3 N is a multiple of 4 under the third.
  #expect(message { _ = try b.build() } == "no error")

  let c = GraphBuilder()
  c.output(c.node("Reshape", name: "r", [c.input("x", .float32, [2, 3]), c.constant(integers: [4, -1])]), "y")
  #expect(message { _ = try c.build() }.contains("r): [2, 3] of 6 elements does not divide"))

  let d = GraphBuilder()
  d.output(d.node("Nothing", [d.input("x", .float32, [2, 3])]), "y")
  #expect(message { _ = try d.build() } == "node Nothing: there is no operator of this name")

  let loop = try reluGraph()
  loop.mainFunction!.nodes[0].inputs[0] = loop.mainFunction!.nodes[0].outputs[0]
  #expect(message { try loop.mainFunction!.sortNodes() }.contains("depends on its own output"))
  #expect(message { _ = try Graph(decoding: []) }.contains("0 bytes"))
}

@Test func sortingPutsProducersFirst() throws {
  let graph = try fullGraph()
  let f = graph.mainFunction!
  f.nodes.reverse()
  try f.sortNodes()
  var written: Set<ObjectIdentifier> = Set(f.inputs.map { ObjectIdentifier($0) })
  for node in f.nodes {
    for case let input? in node.inputs where input.kind == .activation {
      #expect(written.contains(ObjectIdentifier(input)))
    }
    for case let output? in node.outputs { written.insert(ObjectIdentifier(output)) }
  }
  #expect(f.nodes.count == 6)
}

/// xoshiro256** 1.0 seeded by SplitMix64(42): numbers from the authors' C code
/// (https://prng.di.unimi.it, xoshiro256starstar.c and splitmix64.c), compiled with gcc.
@Test func theGeneratorIsTheAuthors() {
  var random = RandomSource(seed: 42)
  let expected: [UInt64] = [
    0x1578_0B2E_0C2E_C716, 0x6104_D986_6D11_3A7E, 0xAE17_5332_39E4_99A1, 0xECB8_AD47_03B3_60A1,
  ]
  #expect((0..<4).map { _ in random.next() } == expected)
}

@Test func initializersHaveTheirVariance() {
  func variance(_ initializer: Initializer) -> Float {
    var random = RandomSource(seed: 7)
    let x = initializer.fill([200, 500], fanIn: 500, fanOut: 200, random: &random)
    let mean = x.reduce(0, +) / Float(x.count)
    return x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(x.count)
  }
  #expect(abs(variance(.glorot) * 350 - 1) < 0.02)
  #expect(abs(variance(.he) * 250 - 1) < 0.02)
  #expect(abs(variance(.leCun) * 500 - 1) < 0.02)
  #expect(abs(variance(.uniform(1)) * 3 - 1) < 0.02)
}

@Test(arguments: [(12, 5), (5, 12), (6, 6)])
func orthogonalRowsOrColumnsAreOrthonormal(rows: Int, columns: Int) {
  var random = RandomSource(seed: 3)
  let a = Initializer.orthogonal(blocks: 2).fill(
    [2 * rows, columns], fanIn: 1, fanOut: 1, random: &random)
  for block in 0..<2 {
    let m = Array(a[(block * rows * columns)...].prefix(rows * columns))
    let n = min(rows, columns)
    for i in 0..<n {
      for j in 0..<n {
        var dot: Float = 0
        for k in 0..<max(rows, columns) {
          dot +=
            rows > columns
            ? m[k * columns + i] * m[k * columns + j] : m[i * columns + k] * m[j * columns + k]
        }
        #expect(abs(dot - (i == j ? 1 : 0)) < 1e-5)
      }
    }
  }
}
