import ModelFormat

/// x with elements added before and behind each axis, or taken away where a pad is negative. Input 1
/// (constant) holds all the pads before, then all behind; input 3 (constant) the axes that they are
/// for. What is added depends on `mode`:
///
///     constant  input 2, or 0 where it is left out
///     reflect   3 2 | 1 2 3 | 2 1     the axis mirrored at its first and last element
///     edge      1 1 | 1 2 3 | 3 3
///     wrap      2 3 | 1 2 3 | 1 2
///
/// A reflection or wrap that is longer than the axis goes on in the same way. ONNX Pad, any type.
let padOperator = Operator(
  opcode: 109, name: "Pad", attributes: [AttributeSpec("mode", .string)], inputs: 2...4,
  notes: "Pads and axes must be constants.",
  infer: { (context) throws(ApusError) in
    let x = context.input(0)
    let (shape, _, mode) = try paddedShape(context)
    try context.requireType(2, x.dataType)
    if let value = context.optionalInput(2) {
      try context.require(value.shape.count == 1, "input 2 must be a scalar and is \(value.shape)")
    }
    try context.require(
      mode == .constant || x.shape.count > 0 || shape.count == 0,
      "an axis of length 0 has nothing to pad with")
    try context.setOutput(x.dataType, shape)
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0)
    let (shape, before, mode) = try paddedShape(context.node)
    if shape.count == 0 { return }
    if shape == x.shape && before.allSatisfy({ $0 == 0 }) {
      context.view(input: 0, output: 0)
      return
    }
    // Axes behind the last padded one move together: they are one larger element.
    var rank = shape.rank
    var block = x.dataType.size
    while rank > 1, before[rank - 1] == 0, shape[rank - 1] == x.shape[rank - 1] {
      rank -= 1
      block *= shape[rank]
    }
    let map = PadMap(x.shape, shape, before, mode, rank: rank)
    context.emit(
      PadStep(
        map, context.input(0), context.optionalInput(2), context.output(0),
        elementSize: x.dataType.size, block: block),
      work: shape.count * x.dataType.size / 4)
  })

enum PadMode {
  case constant, reflect, edge, wrap
}

/// The output's shape, the pads before each axis, and the mode.
private func paddedShape(
  _ context: NodeContext
) throws(ApusError) -> (shape: Shape, before: [Int], mode: PadMode) {
  let x = context.input(0).shape
  let pads = try context.constantInts(1) ?? []
  let axes = try context.constantInts(3)
  let n = axes?.count ?? x.rank
  try context.require(n <= x.rank, .invalidModel, "\(n) axes for an input of rank \(x.rank)")
  try context.require(
    pads.count == 2 * n, .invalidModel, "\(pads.count) pads for \(n) axes; two each are needed")
  let name = context.string("mode") ?? Name("constant")
  let mode: PadMode
  if name == Name("constant") {
    mode = .constant
  } else if name == Name("reflect") {
    mode = .reflect
  } else if name == Name("edge") {
    mode = .edge
  } else if name == Name("wrap") {
    mode = .wrap
  } else {
    throw context.error(.unsupported, "mode \(name); constant, reflect, edge and wrap are known")
  }
  var shape = x
  var before = [Int](repeating: 0, count: x.rank)
  var seen: UInt = 0
  for i in 0..<n {
    let axis = try context.normalizedAxis(axes?[i] ?? i, rank: x.rank)
    try context.require(
      seen >> UInt(axis) & 1 == 0, .invalidModel, "axis \(axis) stands in axes twice")
    seen |= 1 << UInt(axis)
    let limit = 1 << 31
    for pad in [pads[i], pads[n + i]] {
      try context.require(
        pad >= -limit && pad <= limit, .invalidModel, "a pad of \(pad) for axis \(axis)")
    }
    before[axis] = pads[i]
    shape[axis] = x[axis] + pads[i] + pads[n + i]
    try context.require(
      shape[axis] >= 0, "the pads leave less than nothing of axis \(axis), \(x[axis]) long")
  }
  return (shape, before, mode)
}

/// Where each element of the output comes from. Computed, not tabled: an axis may be as long as a
/// file says.
struct PadMap {
  let rank: Int
  let mode: PadMode
  /// The output's axes, the input's, and the pads before them.
  var lengths = InlineArray<8, Int>(repeating: 1)
  var inputLengths = InlineArray<8, Int>(repeating: 1)
  var before = InlineArray<8, Int>(repeating: 0)
  /// The input's elements (blocks) from one index to the next.
  var strides = InlineArray<8, Int>(repeating: 1)
  /// The first output index along the last axis that holds the input's own element, and how many
  /// do: these are copied in one run.
  let runStart: Int
  let runLength: Int

  init(_ x: Shape, _ y: Shape, _ before: [Int], _ mode: PadMode, rank: Int) {
    self.rank = rank
    self.mode = mode
    for d in 0..<rank {
      lengths[d] = y[d]
      inputLengths[d] = x[d]
      self.before[d] = before[d]
    }
    var d = rank - 2
    while d >= 0 {
      strides[d] = strides[d + 1] * x[d + 1]
      d -= 1
    }
    guard rank > 0 else {
      runStart = 0
      runLength = 0
      return
    }
    let start = min(max(0, before[rank - 1]), y[rank - 1])
    runStart = start
    runLength = max(0, min(y[rank - 1], before[rank - 1] + x[rank - 1]) - start)
  }

  /// The input's index along axis `d` for the output's index `i`, or −1 for the constant.
  @inline(__always) func source(_ d: Int, _ i: Int) -> Int {
    PadMap.source(i &- before[d], inputLengths[d], mode)
  }

  private static func source(_ i: Int, _ n: Int, _ mode: PadMode) -> Int {
    if i >= 0 && i < n { return i }
    switch mode {
    case .constant: return -1
    case .edge: return i < 0 ? 0 : n - 1
    case .wrap:
      let r = i % n
      return r < 0 ? r + n : r
    case .reflect:
      if n == 1 { return 0 }
      let period = 2 * (n - 1)
      var r = i % period
      if r < 0 { r += period }
      return r < n ? r : period - r
    }
  }
}
