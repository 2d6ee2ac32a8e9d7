import Graph
import Testing
import Training

/// RNN and GRU with 3 inputs and 2 units over 3 steps of 2 sequences.
private func recurrent(
  _ op: String, _ attributes: [String: Attribute] = [:], directions d: Int = 1, hasState: Bool = true
) -> GradientCase {
  let rows = (op == "GRU" ? 3 : 1) * 2
  var inputs: [GradientCheck.Input?] = [
    .random([3, 2, 3]), .random([d, rows, 3]), .random([d, rows, 2]),
  ]
  if hasState { inputs += [.random([d, 2 * rows]), nil, .random([d, 2, 2])] }
  return GradientCase(op, inputs, attributes, outputs: 2)
}

private let recurrentCases = [
  recurrent("RNN"),
  recurrent("RNN", hasState: false),
  recurrent("RNN", ["direction": "reverse", "activations": "Sigmoid"]),
  recurrent("RNN", ["direction": "bidirectional", "activations": "Relu,Tanh"], directions: 2),
  recurrent("GRU"),
  recurrent("GRU", hasState: false),
  recurrent("GRU", ["direction": "reverse"]),
  recurrent("GRU", ["linear_before_reset": 1]),
  recurrent("GRU", ["linear_before_reset": 1], hasState: false),
  recurrent("GRU", ["direction": "bidirectional"], directions: 2),
  recurrent("GRU", ["direction": "bidirectional", "linear_before_reset": 1], directions: 2),
]

private let selectionCases = [
  GradientCase("Slice", [.random([4, 5, 3]), .integers([1], [1]), .integers([1], [3])]),
  GradientCase("Slice",
    [.random([4, 5, 3]), .integers([2], [-1, 1]), .integers([2], [-99, 99]),
      .integers([2], [1, -1]), .integers([2], [-2, 1])]),
  GradientCase("Expand", [.random([3, 1, 2]), .integers([4], [2, 1, 4, 1])]),
  GradientCase("Where",
    [.booleans([3, 1], [true, false, true]), .random([2, 3, 4]), .random([4])]),
]

let recurrentTestedOperators = Set((recurrentCases + selectionCases).map(\.op))

@Suite struct RecurrentGradientTests {
  @Test(arguments: recurrentCases + selectionCases)
  func agreesWithCentralDifferences(_ c: GradientCase) throws {
    let result = try GradientCheck.check(
      operator: c.op, attributes: c.attributes, inputs: c.inputs, outputs: c.outputs)
    #expect(result.error < 1e-6, "\(result.worst)")
    #expect(result.elements > 0)
  }
  @Test(arguments: recurrentCases + selectionCases)
  func agreesWithTheRuntime(_ c: GradientCase) throws { try expectAgreement(c) }
}
