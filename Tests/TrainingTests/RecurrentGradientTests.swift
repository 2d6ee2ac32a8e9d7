import Graph
import Testing
import Training

/// A recurrent layer with 3 inputs and 2 units over 4 steps of 2 sequences.
private func recurrent(
  _ op: String, _ attributes: [String: Attribute] = [:], hasBias: Bool = true,
  hasState: Bool = true, hasPeepholes: Bool = false, lengths: [Int32]? = nil, outputs: Int? = nil
) -> GradientCase {
  let (steps, batch, n, h) = (4, 2, 3, 2)
  let node = Node(op, inputs: [], outputs: [], attributes: attributes)
  let d = node.string("direction", default: "") == "bidirectional" ? 2 : 1
  let isBatchFirst = node.int("layout", default: 0) == 1
  let rows = (op == "GRU" ? 3 : op == "LSTM" ? 4 : 1) * h
  let state: GradientCheck.Input? =
    hasState ? .random(isBatchFirst ? [batch, d, h] : [d, batch, h]) : nil
  var inputs: [GradientCheck.Input?] = [
    .random(isBatchFirst ? [batch, steps, n] : [steps, batch, n]), .random([d, rows, n]),
    .random([d, rows, h]), hasBias ? .random([d, 2 * rows]) : nil, lengths.map { .lengths($0) },
    state,
  ]
  if op == "LSTM" { inputs += [state, hasPeepholes ? .random([d, 3 * h]) : nil] }
  while case nil? = inputs.last { inputs.removeLast() }
  return GradientCase(op, inputs, attributes, outputs: outputs ?? (op == "LSTM" ? 3 : 2))
}

/// Each activation that ONNX names, in each layer; arguments beyond the kinks of all of them.
private let activationCases = [
  "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu", "Softsign",
  "Softplus", "Relu", "Tanh", "Sigmoid",
].flatMap { name -> [GradientCase] in
  let numbers: [String: Attribute] = [
    "activation_alpha": .floats([0.7, 0.4, 0.8]), "activation_beta": .floats([0.6, 0.3, 0.2]),
  ]
  func with(_ list: String) -> [String: Attribute] {
    numbers.merging(["activations": .string(list)]) { $1 }
  }
  return [
    recurrent("RNN", with(name)), recurrent("RNN", ["activations": .string(name)]),
    recurrent("LSTM", with("Sigmoid,\(name),Tanh"), hasPeepholes: true),
    recurrent("LSTM", with("\(name),Tanh,\(name)")),
    recurrent("GRU", with("\(name),\(name)")),
    recurrent("GRU", with("Sigmoid,\(name)").merging(["linear_before_reset": 1]) { $1 }),
  ]
}

/// What all three layers have in common, and in all combinations that meet in the code.
private let commonCases = ["RNN", "LSTM", "GRU"].flatMap { op -> [GradientCase] in
  ["forward", "reverse", "bidirectional"].flatMap { direction -> [GradientCase] in
    func with(_ more: [String: Attribute]) -> [String: Attribute] {
      more.merging(["direction": .string(direction), "hidden_size": 2]) { $1 }
    }
    return [
      recurrent(op, with([:])),
      recurrent(op, with([:]), hasBias: false, hasState: false, outputs: 1),
      recurrent(op, with(["layout": 1])),
      recurrent(op, with([:]), lengths: [2, 4]),
      recurrent(op, with([:]), hasState: false, lengths: [0, 3]),
      recurrent(op, with(["layout": 1]), lengths: [3, 1]),
      recurrent(op, with(["clip": 0.4])),
    ]
  }
}

private let ownCases = [
  recurrent("RNN", ["direction": "bidirectional", "activations": "Relu,Tanh"]),
  recurrent("GRU", ["linear_before_reset": 1]),
  recurrent("GRU", ["linear_before_reset": 1], hasBias: false, hasState: false),
  recurrent("GRU", ["direction": "bidirectional", "linear_before_reset": 1], lengths: [1, 3]),
  recurrent("GRU", ["linear_before_reset": 1, "clip": 0.3, "layout": 1]),
  recurrent("LSTM", hasPeepholes: true),
  recurrent("LSTM", hasState: false, hasPeepholes: true),
  recurrent("LSTM", ["direction": "bidirectional"], hasPeepholes: true),
  recurrent("LSTM", ["input_forget": 1]),
  recurrent("LSTM", ["input_forget": 1, "clip": 0.5, "direction": "reverse"], hasPeepholes: true),
  recurrent("LSTM", ["direction": "bidirectional", "layout": 1], hasPeepholes: true, lengths: [4, 2]),
  recurrent("LSTM",
    ["direction": "bidirectional", "activations": "Sigmoid,Tanh,Tanh,HardSigmoid,Softsign,Elu"]),
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

/// Every case of this file.
let recurrentCases = activationCases + commonCases + ownCases + selectionCases
