import Operators
import Training

/// What the operators' page says beside what the registry holds. It is of no use to a run, so it
/// stands here and not in the library; Tests/python/test_operators_page.py checks every line of it:
/// the types by opening a model of each, the operator sets against the onnx package.
enum OperatorFacts {
  /// The element types that the first input may have (of Where: what it chooses from; of
  /// QLinearConcat: what it joins).
  static func types(_ operatorName: String) -> [String] { types[operatorName] ?? [] }

  /// The operator set that brought the operator; nil for one that is not ONNX's.
  static func firstOpset(_ operatorName: String) -> Int? { firstOpsets[operatorName] }

  /// The operator that computes the same in 8-bit integers.
  static func integerForm(_ operatorName: String) -> String? { integerForms[operatorName] }

  static func isTrainable(_ operatorName: String) -> Bool { rules[operatorName] != nil }

  private static let rules: [String: GradientRule<Float>] = gradientRules()

  private static let lookup = "QLinearLookup"

  private static let integerForms = [
    "Conv": "QLinearConv", "MatMul": "QLinearMatMul", "Gemm": "QLinearMatMul",
    "AveragePool": "QLinearAveragePool", "GlobalAveragePool": "QLinearGlobalAveragePool",
    "Sigmoid": lookup, "Tanh": lookup, "Softplus": lookup, "Softsign": lookup, "Mish": lookup,
    "HardSwish": lookup, "Exp": lookup, "Floor": lookup, "Ceil": lookup, "Round": lookup,
    "Erf": lookup, "Sin": lookup, "Cos": lookup, "Log": lookup, "Sqrt": lookup,
    "Reciprocal": lookup, "LeakyRelu": lookup, "Elu": lookup, "Celu": lookup, "Selu": lookup,
    "ThresholdedRelu": lookup, "Swish": lookup, "HardSigmoid": lookup, "Gelu": lookup,
    "PRelu": lookup, "RNN": "DynamicQuantizeRNN", "LSTM": "DynamicQuantizeLSTM",
    "GRU": "DynamicQuantizeGRU",
  ]

  private static let types: [String: [String]] = byName(typeLists) {
    $0.split(separator: " ").map(String.init)
  }

  private static let firstOpsets: [String: Int] = byName(opsetLists) { $0 }

  private static func byName<K, V>(
    _ lists: [(key: K, operators: String)], _ value: (K) -> V
  ) -> [String: V] {
    var result: [String: V] = [:]
    for list in lists {
      for name in list.operators.split(whereSeparator: \.isWhitespace) {
        result[String(name)] = value(list.key)
      }
    }
    return result
  }
}

private let typeLists: [(key: String, operators: String)] = [
  (
    "float32",
    """
    Sigmoid Tanh Softplus Softsign HardSwish Mish Exp Floor Ceil Round Erf Sin Cos Tan Asin
    Acos Atan Sinh Cosh IsNaN Asinh Acosh Atanh IsInf Log Sqrt Reciprocal LeakyRelu Elu Celu
    ThresholdedRelu Swish Selu HardSigmoid Gelu Mean Sum Softmax LogSoftmax Hardmax
    LpNormalization MeanVarianceNormalization LayerNormalization RMSNormalization
    InstanceNormalization GroupNormalization LRN LocalContrastNormalization BatchNormalization
    Conv ConvTranspose AveragePool GlobalAveragePool GlobalMaxPool LpPool GlobalLpPool
    DeformConv CausalConvWithState NonMaxSuppression RoiAlign MaxRoiPool GridSample AffineGrid
    Attention DynamicQuantizeLinear RNN LSTM GRU DynamicQuantizeRNN DynamicQuantizeLSTM
    DynamicQuantizeGRU
    """
  ),
  (
    "float32 uint8 int8 int32 int64 bool",
    """
    Equal Where Cast ReduceMax ReduceMin Shape Size EyeLike Trilu Tile GatherElements GatherND
    ScatterElements ScatterND ArgMax ArgMin TopK CumSum OneHot NonZero DepthToSpace
    SpaceToDepth ReverseSequence CenterCropPad Col2Im Einsum MaxUnpool Resize Identity Reshape
    Flatten Squeeze Unsqueeze Transpose Concat Split Slice Pad Gather Expand Scan
    """
  ),
  (
    "float32 uint8 int8 int32 int64",
    """
    Abs Sign Shrink Clip Add Sub Mul Div Pow Mod Greater GreaterOrEqual Less LessOrEqual Min
    Max
    """
  ),
  (
    "float32 int32 int64",
    """
    PRelu ReduceSum ReduceMean ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp
    ReduceLogSum Range Gemm MatMul
    """
  ),
  (
    "bool",
    """
    Not And Or Xor If
    """
  ),
  (
    "uint8 int8",
    """
    MatMulInteger QLinearMatMul ConvInteger QLinearConv QLinearAdd QLinearMul QLinearAveragePool
    QLinearGlobalAveragePool QLinearConcat QLinearLookup
    """
  ),
  (
    "float32 int8 int32 int64",
    """
    Relu Neg
    """
  ),
  (
    "int32 int64",
    """
    ConstantOfShape
    """
  ),
  (
    "float32 uint8 int8",
    """
    MaxPool
    """
  ),
  (
    "float32 int32",
    """
    QuantizeLinear
    """
  ),
  (
    "uint8 int8 int32",
    """
    DequantizeLinear
    """
  ),
  (
    "int64",
    """
    Loop
    """
  ),
]

private let opsetLists: [(key: Int, operators: String)] = [
  (
    1,
    """
    Sigmoid Tanh Softplus Softsign Exp Floor Ceil Relu Abs Neg Not Log Sqrt Reciprocal
    LeakyRelu Elu Selu HardSigmoid PRelu Clip Add Sub Mul Div Pow Equal Greater Less And Or
    Xor Min Max Mean Sum Cast Softmax LogSoftmax Hardmax ReduceSum ReduceMean ReduceProd
    ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp ReduceLogSum ReduceMax ReduceMin Shape
    Size Tile ArgMax ArgMin TopK DepthToSpace SpaceToDepth LpNormalization
    InstanceNormalization LRN BatchNormalization Conv ConvTranspose MaxPool AveragePool
    GlobalAveragePool GlobalMaxPool LpPool GlobalLpPool MaxRoiPool Gemm MatMul Identity
    Reshape Flatten Squeeze Unsqueeze Transpose Concat Split Slice Pad Gather RNN LSTM GRU If
    Loop
    """
  ),
  (
    7,
    """
    Sin Cos Tan Asin Acos Atan
    """
  ),
  (
    8,
    """
    Expand Scan
    """
  ),
  (
    9,
    """
    Erf Sinh Cosh IsNaN Asinh Acosh Atanh Sign Shrink Where ConstantOfShape EyeLike OneHot
    NonZero MeanVarianceNormalization MaxUnpool
    """
  ),
  (
    10,
    """
    IsInf ThresholdedRelu Mod ReverseSequence Resize NonMaxSuppression RoiAlign QuantizeLinear
    DequantizeLinear MatMulInteger QLinearMatMul ConvInteger QLinearConv
    """
  ),
  (
    11,
    """
    Round Range GatherElements GatherND ScatterElements ScatterND CumSum DynamicQuantizeLinear
    """
  ),
  (
    12,
    """
    Celu GreaterOrEqual LessOrEqual Einsum
    """
  ),
  (
    14,
    """
    HardSwish Trilu
    """
  ),
  (
    16,
    """
    GridSample
    """
  ),
  (
    17,
    """
    LayerNormalization
    """
  ),
  (
    18,
    """
    Mish CenterCropPad Col2Im GroupNormalization
    """
  ),
  (
    19,
    """
    DeformConv
    """
  ),
  (
    20,
    """
    Gelu AffineGrid
    """
  ),
  (
    23,
    """
    RMSNormalization Attention
    """
  ),
  (
    24,
    """
    Swish
    """
  ),
  (
    27,
    """
    CausalConvWithState
    """
  ),
]
