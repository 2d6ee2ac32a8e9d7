import Graph
import ModelFormat
import Testing

// What the passes leave of graphs is tested against ONNX Runtime in Tests/python/test_passes.py; here
// it is tested that they come to rest and keep what others rely on.

/// Something for every pass to do, and what it leaves for others.
private func graph() throws -> Graph {
  let b = GraphBuilder(seed: 3)
  let x = b.input("x", .float32, [.free("N"), 3, 8, 8])
  let state = b.state("h", [1, 4, 1, 1])
  let none = b.node("Identity", [x])
  let w = b.constant("w", [4, 3, 3, 3], (0..<108).map { Float($0 % 7) - 3 })
  let padded = b.node("Pad", [none, b.constant(integers: [0, 0, 1, 1, 0, 0, 1, 1])])
  let conv = b.node("Conv", name: "conv", [padded, w])
  func numbers(_ start: Float) -> Value { b.constant("", [4], (0..<4).map { Float($0) + start }) }
  let normal = b.node(
    "BatchNormalization", [conv, numbers(1), numbers(2), numbers(3), numbers(4)])
  let scaled = b.node("Mul", [normal, b.constant("", [4, 1, 1], [1, 2, 3, -4])])
  let shifted = b.node("Add", [scaled, b.constant("", [1, 4, 1, 1], [0.5, 0, 2, 1])])
  let relu = b.node("Relu", [shifted])
  let there = b.node("Transpose", [relu], ["perm": [0, 2, 3, 1]])
  let twice = b.node("Add", [b.node("Exp", [there]), b.node("Exp", [there])])
  let back = b.node("Transpose", [twice], ["perm": [0, 3, 1, 2]])
  let half = b.node(
    "Mul", [b.constant("", [4], [1, 2, 3, 4]), b.constant("", [4], [0.5, 0.5, 0.5, 0.5])])
  let same = b.constant("", [4, 1, 1], [0.5, 1, 1.5, 2])
  let shaped = b.node("Reshape", [half, b.constant(integers: [4, 1, 1])])
  let sum = b.node("Sub", [b.node("Mul", [back, shaped]), same])
  let gated = b.node("Mul", [sum, b.node("Sigmoid", [sum])])
  b.output(b.flatten(b.node("Squeeze", [b.node("Unsqueeze", [gated, b.constant(integers: [0])]),
    b.constant(integers: [0])])), "y")
  b.node("Tanh", [sum])
  let mean = b.node("ReduceMean", [b.node("GlobalMaxPool", [sum]), b.constant(integers: [0])])
  b.update(state, to: b.node("Add", [state, mean]))
  return try b.build()
}

@Test func everyPassFindsSomethingAndComesToRest() throws {
  let whole = try graph()
  let report = try whole.apply()
  // Those that others leave nothing to do have graphs of their own in test_passes.py.
  #expect(Set(report.changes.map(\.pass)).isSuperset(of: [
    "remove-identities", "fold-constants", "merge-reshapes", "eliminate-transposes",
    "merge-duplicates", "fold-pads", "fold-batch-normalization", "fold-scales", "fuse-bias",
    "fuse-activations", "merge-activations", "remove-unused", "merge-weights",
  ]))
  #expect(whole.metadata(Graph.passesKey) == report.description)
  #expect(try whole.apply().changes.isEmpty)
  #expect(whole.metadata(Graph.passesKey) == report.description)
}

@Test(arguments: graphPasses.map(\.name))
func aPassAloneComesToRest(_ name: String) throws {
  let passes = graphPasses.filter { $0.name == name }
  let alone = try graph()
  try alone.apply(passes)
  #expect(try alone.apply(passes).changes.isEmpty)
}

@Test func passesKeepNamesShapesAndStates() throws {
  let before = try graph()
  try before.inferShapes()
  let after = try graph()
  try after.apply()
  let (f, g) = (before.mainFunction!, after.mainFunction!)
  #expect(g.inputs.map(\.name) == f.inputs.map(\.name))
  #expect(g.outputs.map(\.name) == ["y"])
  #expect(g.outputs[0].shape == f.outputs[0].shape)
  #expect(g.stateUpdates.map(\.state.name) == ["h"])
  #expect(g.nodes.count < f.nodes.count / 2)
  // What is encoded and read again is the same graph, at rest.
  let again = try Graph(decoding: after.encode())
  #expect(again.mainFunction!.nodes.map(\.op) == g.nodes.map(\.op))
  #expect(try again.apply().changes.isEmpty)
}

@Test func trainedWeightsAreNotMerged() throws {
  let b = GraphBuilder(seed: 1)
  let x = b.input("x", .float32, [2, 3])
  let p = b.weight("p", [3], .zeros)
  let q = b.weight("q", [3], .zeros)
  b.output(b.node("Pow", [b.node("Pow", [x, p]), q]), "y")
  let graph = try b.build()
  #expect(try graph.apply().changes.isEmpty)
  #expect(graph.weights.count == 2)
}
