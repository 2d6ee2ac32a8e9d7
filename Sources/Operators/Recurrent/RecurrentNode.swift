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

  /// Inputs in front of those that only weights of integers have.
  var inputs: Int { self == .lstm ? 8 : 6 }

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
///
/// With weights of integers W is [D, I, G·H] and R [D, H, G·H], int8 or uint8, and four inputs
/// follow: W's scales and zero points and R's, [D] or [D, G·H] each.
struct RecurrentNode {
  let kind: RecurrentKind
  let isInteger: Bool
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

  init(_ context: NodeContext) throws(ApusError) {
    // 130 to 132, and 240 to 242.
    let opcode = context.definition.opcode
    isInteger = opcode >= 240
    kind = opcode % 10 == 0 ? .rnn : opcode % 10 == 1 ? .lstm : .gru
    for i in 0..<context.inputs.count
    where i != 4 && (!isInteger || i == 0 || i == 3 || i >= 5 && i < kind.inputs) {
      try context.requireType(i, .float32)
    }
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
    units = context.input(2).shape[isInteger ? 1 : 2]
    let stated = context.int("hidden_size", default: units)
    try context.require(
      stated == units && units > 0, "hidden_size \(stated), but R is \(context.input(2).shape)")
    // R bounds the units, so that no product below overflows.
    let rows = kind.gates * units
    if !isInteger {
      try context.requireShape(1, Shape(directions, rows, inputs))
      try context.requireShape(2, Shape(directions, rows, units))
    }
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

  /// Checks W and R of integers and the inputs that are their columns' numbers.
  private func checkIntegers(_ context: NodeContext) throws(ApusError) {
    let rows = kind.gates * units
    for i in 1...2 {
      let depth = i == 1 ? inputs : units
      let scale = kind.inputs + 2 * (i - 1)
      try context.requireShape(i, Shape(directions, depth, rows))
      try context.requireBytes(i, zero: scale + 1)
      try context.requireType(scale, .float32)
      for numbers in scale...scale + 1 {
        let isOne = context.optionalInput(numbers)?.shape.rank == 1
        try context.requireShape(numbers, isOne ? Shape(directions) : Shape(directions, rows))
      }
      // So that 32 bits hold 255 · 255 · depth.
      try context.require(depth <= 33_025, .unsupported, "input \(i) has more than 33025 rows")
    }
  }

  /// Checks that what is packed with weights of integers is constant.
  func checkConstants(_ context: NodeContext) throws(ApusError) {
    for i in 1..<kind.inputs + 4 where i < 4 || i > (kind == .lstm ? 6 : 5) {
      let isNeeded = i < 3 || i == kind.inputs || i == kind.inputs + 2
      try context.require(
        context.hasInput(i) ? context.input(i).constant != nil : !isNeeded, .unsupported,
        "input \(i) must be a constant")
    }
  }

  /// Sets Y, Y_h and Y_c, after the weights of integers have been checked.
  func setOutputs(_ context: NodeContext) throws(ApusError) {
    if isInteger { try checkIntegers(context) }
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
