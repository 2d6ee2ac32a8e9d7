import Graph
import Testing
import Training

// Activations, functions of one argument, arithmetic of many inputs, reductions, normalisation.

private let unaryCases = [
  GradientCase("LeakyRelu", [.random([3, 7])]),
  GradientCase("LeakyRelu", [.random([3, 7])], ["alpha": 0.3]),
  GradientCase("Elu", [.random([3, 7], -3...3)], ["alpha": 1.5]),
  GradientCase("Selu", [.random([3, 7], -3...3)]),
  GradientCase("Selu", [.random([9], -3...3)], ["alpha": 1.2, "gamma": 0.7]),
  GradientCase("Celu", [.random([3, 7], -3...3)], ["alpha": 0.6]),
  GradientCase("ThresholdedRelu", [.random([3, 7], -2...2)], ["alpha": 0.5]),
  GradientCase("HardSigmoid", [.random([3, 7], -5...5)]),
  GradientCase("HardSigmoid", [.random([3, 7], -5...5)], ["alpha": 0.4, "beta": 0.3]),
  GradientCase("HardSwish", [.random([3, 7], -5...5)]),
  GradientCase("Softplus", [.random([3, 7], -30...30)]),
  GradientCase("Softsign", [.random([3, 7], -3...3)]),
  GradientCase("Gelu", [.random([3, 7], -4...4)]),
  GradientCase("Gelu", [.random([3, 7], -4...4)], ["approximate": "tanh"]),
  GradientCase("Swish", [.random([3, 7], -4...4)], ["alpha": 1.5]),
  GradientCase("Mish", [.random([3, 7], -4...4)]),
  GradientCase("Exp", [.random([3, 7], -2...2)]),
  GradientCase("Log", [.random([3, 7], 0.2...3)]),
  GradientCase("Sqrt", [.random([3, 7], 0.2...3)]),
  GradientCase("Reciprocal", [.random([3, 7], 0.5...3)]),
  GradientCase("Abs", [.random([3, 7])]),
  GradientCase("Neg", [.random([3, 7])]),
  GradientCase("Erf", [.random([3, 7], -2...2)]),
  GradientCase("Sin", [.random([3, 7], -4...4)]),
  GradientCase("Cos", [.random([3, 7], -4...4)]),
  GradientCase("Sign", [.random([3, 7])]),
  GradientCase("Floor", [.random([3, 7], -3...3)]),
  GradientCase("Ceil", [.random([3, 7], -3...3)]),
  GradientCase("Round", [.random([3, 7], -3...3)]),
  GradientCase("Clip", [.random([3, 7]), .real([], [-0.5]), .real([], [0.25])]),
  GradientCase("Clip", [.random([3, 7]), nil, .constant([], [0.25])]),
]

private let manyCases = [
  GradientCase("Pow", [.random([2, 3], 0.3...2), .random([3], -2...3)]),
  GradientCase("Pow", [.random([2, 3]), .integers([1], [3])]),
  GradientCase("Pow", [.random([3, 1], 0.3...2), .constant([2, 1, 4], [2, 0, 1, -1, 0.5, 3, 2, 2])]),
  GradientCase("PRelu", [.random([2, 3, 4]), .random([3, 1])]),
  GradientCase("PRelu", [.random([2, 5]), .random([5])]),
  GradientCase("Sum", [.random([2, 3])]),
  GradientCase("Sum", [.random([2, 3]), .random([3]), .random([4, 1, 1])]),
  GradientCase("Mean", [.random([2, 3]), .random([2, 1]), .random([3])]),
  GradientCase("Min", [.random([2, 3]), .random([3]), .random([2, 1])]),
  GradientCase("Max", [.random([2, 3, 4]), .random([3, 1])]),
]

private let reductionCases = [
  "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
  "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp",
].flatMap { op in
  let x = GradientCheck.Input.random([3, 2, 4], op == "ReduceLogSum" ? 0.2...2 : -1...1)
  return [
    GradientCase(op, [x]),
    GradientCase(op, [x, .integers([1], [1])], ["keepdims": 0]),
    GradientCase(op, [x, .integers([2], [-1, 0])]),
    GradientCase(op, [x], ["noop_with_empty_axes": 1]),
  ]
}

private let normalizationCases = [
  GradientCase("LogSoftmax", [.random([3, 5], -3...3)]),
  GradientCase("LogSoftmax", [.random([2, 5, 3], -3...3)], ["axis": 1]),
  GradientCase("LayerNormalization", [.random([3, 6]), .random([6]), .random([6])]),
  GradientCase("LayerNormalization", [.random([3, 2, 4]), .random([2, 4]), .random([2, 4])],
    ["axis": 1, "epsilon": 0.01], outputs: 3),
  GradientCase("LayerNormalization", [.random([3, 6]), .random([6])]),
  GradientCase("LayerNormalization", [.random([3, 6]), .random([1]), .random([6])]),
  GradientCase("RMSNormalization", [.random([3, 2, 4]), .random([2, 4])], ["axis": -2]),
  GradientCase("InstanceNormalization", [.random([2, 3, 4, 2]), .random([3]), .random([3])]),
  GradientCase("RMSNormalization", [.random([3, 5]), .random([5])], ["epsilon": 0.1]),
  GradientCase("InstanceNormalization", [.random([2, 3, 5]), .random([3]), .random([3])],
    ["epsilon": 0.1]),
  GradientCase("GroupNormalization", [.random([2, 6, 3]), .random([6]), .random([6])],
    ["num_groups": 3]),
  GradientCase("GroupNormalization", [.random([2, 6, 3]), .random([6]), .random([6])],
    ["num_groups": 2, "epsilon": 0.1]),
  GradientCase("LRN", [.random([2, 6, 2, 3], -3...3)],
    ["size": 3, "alpha": 0.9, "beta": 0.75, "bias": 1.5]),
  GradientCase("LRN", [.random([1, 5, 4], -3...3)], ["size": 4, "alpha": 0.5, "beta": 0.6]),
  GradientCase("LocalContrastNormalization", [.random([2, 3, 6, 5])], ["size": 5]),
  GradientCase("LocalContrastNormalization", [.random([1, 2, 4, 7])],
    ["size": 3, "weighting": "uniform"]),
  GradientCase("LocalContrastNormalization", [.random([2, 2, 9])], ["size": 3]),
  GradientCase("LocalContrastNormalization", [.random([1, 2, 5, 5])],
    ["size": 3, "epsilon": 10.0]),
]

/// Every case of this file.
let elementCases = unaryCases + manyCases + reductionCases + normalizationCases
