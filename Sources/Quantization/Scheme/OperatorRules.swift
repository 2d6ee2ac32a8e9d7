/// What quantisation does with an operator.
enum Treatment {
  /// Multiplies what is quantised with weights and sums in int32.
  case layer
  /// Only moves elements or picks some: the same integers, so input and output share a scale.
  case moves
  /// Limits what stands before it; behind a layer it is part of the layer.
  case clips
  /// Computes from quantised numbers others that have a scale of their own.
  case computes
  /// The same, a curve: where it makes the network's result it stays in floats, as 256 numbers are
  /// few for what people read.
  case bends
  /// Multiplies with int8 weights what it rounds as it comes: its tensors stay in floats.
  case recurrent
  /// Stays in floats; its weights are stored as int8.
  case storesWeights
}

/// One row of the table of quantised operators.
struct OperatorRule {
  let treatment: Treatment
  /// So many of its inputs, from the first on, are the tensors that it works on.
  let dataInputs: Int
  /// The inputs that are weights, each with the axis of its output channels. Those of what stores
  /// weights, or only moves elements, are stored as int8 where the operator stays in floats.
  let weights: [(input: Int, axis: WeightAxis)]

  init(
    _ treatment: Treatment, dataInputs: Int = 1, weights: [(input: Int, axis: WeightAxis)] = []
  ) {
    self.treatment = treatment
    self.dataInputs = dataInputs
    self.weights = weights
  }
}

/// Where the output channels of a weight are.
enum WeightAxis {
  case at(Int)
  case last
  /// Of a Gemm: rows where it is transposed, else columns.
  case units
}

/// The operators that are quantised, and how. Everything else stays in floats.
let operatorRules: [String: OperatorRule] = {
  var rules: [String: OperatorRule] = [
    "Conv": OperatorRule(.layer, weights: [(1, .at(0))]),
    "Gemm": OperatorRule(.layer, weights: [(1, .units)]),
    "MatMul": OperatorRule(.layer, weights: [(1, .last)]),

    "Relu": OperatorRule(.clips),
    "Clip": OperatorRule(.clips),

    "Concat": OperatorRule(.moves, dataInputs: .max),

    "Add": OperatorRule(.computes, dataInputs: 2),
    "Mul": OperatorRule(.computes, dataInputs: 2),

    "RNN": OperatorRule(.recurrent, weights: [(1, .at(1)), (2, .at(1))]),
    "LSTM": OperatorRule(.recurrent, weights: [(1, .at(1)), (2, .at(1))]),
    "GRU": OperatorRule(.recurrent, weights: [(1, .at(1)), (2, .at(1))]),
    "ConvTranspose": OperatorRule(.storesWeights, weights: [(1, .at(1))]),
  ]
  for op in [
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "Pad", "MaxPool",
    "Identity", "DepthToSpace", "SpaceToDepth", "Expand", "Tile", "Resize",
  ] {
    rules[op] = OperatorRule(.moves)
  }
  rules["Gather"] = OperatorRule(.moves, weights: [(0, .at(0))])
  for op in ["AveragePool", "GlobalAveragePool", "ReduceMean"] {
    rules[op] = OperatorRule(.computes)
  }
  for op in [
    "Sigmoid", "Tanh", "LeakyRelu", "HardSwish", "HardSigmoid", "Elu", "Selu", "Celu",
    "Gelu", "Swish", "Mish", "Softplus", "Softsign", "ThresholdedRelu", "Abs", "Neg",
  ] {
    rules[op] = OperatorRule(.bends)
  }
  return rules
}()
