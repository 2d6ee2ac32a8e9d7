import CKernels
import ModelFormat

/// Which recurrent operator a node is.
enum RecurrentKind {
  case rnn, lstm, gru

  var gates: Int {
    switch self {
    case .rnn: 1
    case .lstm: 4
    case .gru: 3
    }
  }

  /// Activations of one direction: f; f, g, h; f, g.
  var activationCount: Int {
    switch self {
    case .rnn: 1
    case .lstm: 3
    case .gru: 2
    }
  }
}

/// A recurrent node, checked: what RNN, LSTM and GRU have in common.
///
/// Inputs, as in ONNX, with D directions, batch N, time T, I inputs, H units, G gates:
/// X [T, N, I], W [D, G·H, I], R [D, G·H, H], B [D, 2·G·H], sequence_lens [N], initial_h [D, N, H];
/// the LSTM also initial_c [D, N, H] and P [D, 3·H]. Outputs Y [T, D, N, H], Y_h [D, N, H], and for
/// the LSTM Y_c [D, N, H]. With layout 1 the batch comes first everywhere: X [N, T, I],
/// Y [N, T, D, H], states [N, D, H].
struct RecurrentNode {
  let kind: RecurrentKind
  let time: Int
  let batch: Int
  let inputs: Int
  let units: Int
  /// 1 or 2.
  let directions: Int
  /// The only direction runs backwards.
  let isReverse: Bool
  let isBatchFirst: Bool
  let clip: Float
  let linearBeforeReset: Bool
  let inputForget: Bool
  /// f, g, h of the first direction, then of the second.
  let activations: [apus_activation]

  init(_ kind: RecurrentKind, _ context: NodeContext) throws(ApusError) {
    self.kind = kind
    for i in 0..<context.inputs.count where i != 4 { try context.requireType(i, .float32) }
    try context.requireType(4, .int32)
    for i in 0..<3 { try context.requireRank(i, 3...3) }
    let x = context.input(0).shape
    let layout = context.int("layout", default: 0)
    try context.require(layout == 0 || layout == 1, .invalidModel, "layout \(layout); 0 or 1 exist")
    isBatchFirst = layout == 1
    time = x[isBatchFirst ? 1 : 0]
    batch = x[isBatchFirst ? 0 : 1]
    inputs = x[2]
    let direction = context.string("direction") ?? Name("forward")
    if direction == Name("forward") {
      (directions, isReverse) = (1, false)
    } else if direction == Name("reverse") {
      (directions, isReverse) = (1, true)
    } else if direction == Name("bidirectional") {
      (directions, isReverse) = (2, false)
    } else {
      throw context.error(
        .unsupported, "direction \(direction); forward, reverse and bidirectional exist")
    }
    units = context.input(2).shape[2]
    let stated = context.int("hidden_size", default: units)
    try context.require(
      stated == units && units > 0, "hidden_size \(stated), but R is \(context.input(2).shape)")
    // R bounds the units, so that no product below overflows.
    let rows = kind.gates * units
    try context.requireShape(1, Shape(directions, rows, inputs))
    try context.requireShape(2, Shape(directions, rows, units))
    try context.requireShape(3, Shape(directions, 2 * rows))
    try context.requireShape(4, Shape(batch))
    let state =
      isBatchFirst ? Shape(batch, directions, units) : Shape(directions, batch, units)
    try context.requireShape(5, state)
    if kind == .lstm {
      try context.requireShape(6, state)
      try context.requireShape(7, Shape(directions, 3 * units))
    }
    clip = context.float("clip", default: .infinity)
    try context.require(clip > 0, .invalidModel, "clip must be positive")
    linearBeforeReset = kind == .gru && context.int("linear_before_reset", default: 0) != 0
    inputForget = kind == .lstm && context.int("input_forget", default: 0) != 0
    activations = try RecurrentActivations.parse(context, kind, directions)
  }

  /// Sets Y, Y_h and Y_c.
  func setOutputs(_ context: NodeContext) throws(ApusError) {
    let state =
      isBatchFirst ? Shape(batch, directions, units) : Shape(directions, batch, units)
    try context.setOutput(
      .float32,
      isBatchFirst
        ? Shape(batch, time, directions, units) : Shape(time, directions, batch, units))
    try context.setOutput(.float32, state)
    if kind == .lstm { try context.setOutput(.float32, state) }
  }

  /// Multiply-accumulates of one run; at most Int.max.
  var multiplyAccumulates: Int {
    var n = kind.gates * units
    for factor in [inputs + units, directions, batch, time] {
      let (product, overflow) = n.multipliedReportingOverflow(by: factor)
      if overflow { return Int.max }
      n = product
    }
    return n
  }
}

/// Multiply-accumulates of a node that `infer` has accepted.
func recurrentMultiplyAccumulates(_ kind: RecurrentKind, _ context: NodeContext) -> Int {
  do throws(ApusError) {
    return try RecurrentNode(kind, context).multiplyAccumulates
  } catch {
    return 0
  }
}
