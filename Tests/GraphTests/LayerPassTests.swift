import Graph
import ModelFormat
import Testing

// What the passes find is tested against ONNX Runtime (Tests/python/test_integer_operators.py,
// test_recurrences.py); here: that they change a graph once only.

/// Two convolutions and a pool, each between DequantizeLinear and QuantizeLinear.
private func quantizedGraph() throws -> Graph {
  let b = GraphBuilder(seed: 1)
  let scale = b.constant("scale", [], [0.05])
  let zero = Value("zero", .uint8, [], kind: .weight, bytes: [7])
  func quantized(_ x: Value) -> Value { b.node("QuantizeLinear", [x, scale, zero]) }
  func dequantized(_ x: Value) -> Value { b.node("DequantizeLinear", [x, scale, zero]) }
  var x = dequantized(quantized(b.input("x", .float32, [.free("N"), 2, 8, 8])))
  for k in 0..<2 {
    let w = Value(
      "w\(k)", .uint8, [2, 2, 3, 3], kind: .weight, bytes: (0..<36).map { UInt8($0 * 5) })
    x = b.node("Relu", [b.node("Conv", [x, dequantized(w)])])
    x = dequantized(quantized(x))
  }
  x = dequantized(quantized(b.node("MaxPool", [x], ["kernel_shape": [2, 2]])))
  b.output(x, "y")
  return try b.build()
}

/// h = tanh(W x + R h), three times.
private func unrolledGraph() throws -> Graph {
  let b = GraphBuilder(seed: 2)
  let x = b.input("x", .float32, [3, .free("N"), 4])
  var h = b.input("h", .float32, [.free("N"), 5])
  let w = b.weight("w", [4, 5], .glorot)
  let r = b.weight("r", [5, 5], .glorot)
  for t in 0..<3 {
    let element = b.node("Gather", [x, Value("t", [], integers: [t])])
    h = b.node(
      "Tanh", [b.node("Add", [b.node("MatMul", [element, w]), b.node("MatMul", [h, r])])])
  }
  b.output(h, "y")
  return try b.build()
}

@Test func integerOperatorsTakeThePlaceOfFloatsOnce() throws {
  let graph = try quantizedGraph()
  #expect(try !graph.apply().changes.isEmpty)
  #expect(
    graph.mainFunction!.nodes.map(\.op)
      == ["QuantizeLinear", "QLinearConv", "Clip", "QLinearConv", "Clip", "MaxPool",
        "DequantizeLinear"])
  let file = try graph.encode()
  #expect(try graph.apply().changes.isEmpty)
  #expect(try graph.encode() == file)
}

@Test func aRecurrenceIsFoundOnce() throws {
  let graph = try unrolledGraph()
  #expect(try !graph.apply().changes.isEmpty)
  #expect(graph.mainFunction!.nodes.map(\.op) == ["Unsqueeze", "RNN", "Squeeze"])
  #expect(graph.mainFunction!.nodes[1].outputs[0] == nil)
  #expect(graph.mainFunction!.outputs[0].shape == [.free("N"), 5])
  let file = try graph.encode()
  #expect(try graph.apply().changes.isEmpty)
  #expect(try graph.encode() == file)
}
