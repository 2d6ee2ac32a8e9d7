import CKernels
import CSystem
import ModelFormat

/// Local contrast normalisation of x [N, C, H, W] or [N, C, L]: the local mean is subtracted, then
/// divided by the local standard deviation, both over all channels of a window around the position:
///
///     v[c,i,j] = x[c,i,j] − Σ w[p,q]·x[k,i+p,j+q]       over k, p, q
///     σ[i,j]   = √( Σ w[p,q]·v[k,i+p,j+q]² )
///     y[c,i,j] = v[c,i,j] / max(m, σ[i,j], epsilon)      m: the mean of σ over the sample
///
/// with |p|, |q| ≤ (size − 1)/2 and w summing to 1 over k, p and q. `weighting` "gaussian" (default):
/// w ∝ e^(−(p² + q²) / 2s²), s = size/4; "uniform": all the same. At a border the window is what of
/// it lies inside, its weights made to sum to 1.
///
/// Not in ONNX. Subtractive and divisive normalisation of Jarrett, Kavukcuoglu, Ranzato, LeCun,
/// "What is the best multi-stage architecture for object recognition?", ICCV 2009; epsilon (1e-5)
/// keeps constant images from being divided by 0.
let localContrastNormalizationOperator = Operator(
  opcode: 92, name: "LocalContrastNormalization",
  attributes: [
    AttributeSpec("size", .int), AttributeSpec("epsilon", .float),
    AttributeSpec("weighting", .string),
  ],
  inputs: 1...1, notes: "Not in ONNX: subtracts the local mean, divides by the local deviation.",
  infer: { (context) throws(ApusError) in
    try context.requireFloat32()
    try context.requireRank(0, 3...4)
    let size = context.int("size", default: 9)
    try context.require(
      size >= 1 && size <= 1023 && size % 2 == 1, .invalidModel,
      "size is \(size); it must be odd and from 1 to 1023")
    let epsilon = context.float("epsilon", default: 1e-5)
    try context.require(
      epsilon > 0, .invalidModel, "epsilon must be greater than 0")
    if let weighting = context.string("weighting") {
      try context.require(
        weighting == Name("gaussian") || weighting == Name("uniform"), .invalidModel,
        "weighting is \"\(weighting)\"; it may be \"gaussian\" or \"uniform\"")
    }
    try context.setOutput(.float32, context.input(0).shape)
  },
  plan: { (context) throws(ApusError) in
    context.allowInPlace(input: 0, output: 0)
    let x = context.node.input(0).shape
    if x.count == 0 { return }
    let size = context.node.int("size", default: 9)
    let isUniform = context.node.string("weighting").map { $0 == Name("uniform") } ?? false
    let window = LocalContrastWindow(context, x, size, isUniform)
    let row = (size + x[1]) * window.samples * window.height * window.width
    for phase in LocalContrastStep.Phase.all {
      context.emit(LocalContrastStep(window, phase), work: phase == .meanDeviation ? 0 : row)
    }
  })

/// What the steps of one local contrast normalisation share.
private final class LocalContrastWindow {
  let kernels: UnsafePointer<apus_kernels>
  let samples: Int
  let channels: Int
  let height: Int
  let width: Int
  let size: Int
  let epsilon: Float
  let x: Slot
  let y: Slot
  /// `size` floats; the window is their product with themselves, and a sum of 1 is made at run time.
  let weights: Slot
  /// Two maps [samples][height][width] and a divisor for each sample.
  let map: Slot
  let filtered: Slot
  let divisors: Slot

  init(_ context: PlanContext, _ shape: Shape, _ size: Int, _ isUniform: Bool) {
    kernels = context.kernels
    samples = shape[0]
    channels = shape[1]
    height = shape.rank == 4 ? shape[2] : 1
    width = shape[last: 1]
    self.size = size
    epsilon = context.node.float("epsilon", default: 1e-5)
    x = context.input(0)
    y = context.output(0)
    weights = context.packedWeights(byteCount: size * 4) { target in
      let w = target.assumingMemoryBound(to: Float.self)
      let deviation = Double(size) / 4
      for k in 0..<size {
        let p = Double(k - size / 2) / deviation
        w[k] = isUniform ? 1 : Float(apus_sys_exp(-0.5 * p * p))
      }
    }
    let count = samples * height * width
    map = context.scratch(byteCount: count * 4)
    filtered = context.scratch(byteCount: count * 4)
    divisors = context.scratch(byteCount: samples * 4)
  }
}

private final class LocalContrastStep: Step {
  /// A row is filtered along the width in one phase, along the height in the next, when its
  /// neighbours are there.
  enum Phase {
    /// map = mean of x over the channels; filtered = map along the width.
    case channelMean
    /// map = filtered along the height: the local mean. y = x − map; map = mean of y² over channels.
    case subtract
    /// filtered = map along the width.
    case filterSquares
    /// map = √(filtered along the height): σ.
    case deviation
    /// divisors = max(mean of σ, epsilon).
    case meanDeviation
    /// y = y / max(divisor, σ).
    case divide

    static var all: [Phase] {
      [.channelMean, .subtract, .filterSquares, .deviation, .meanDeviation, .divide]
    }
  }

  let window: LocalContrastWindow
  let phase: Phase

  init(_ window: LocalContrastWindow, _ phase: Phase) {
    self.window = window
    self.phase = phase
  }

  override func run(_ memory: Memory, _ share: Share) {
    let c = window
    if phase == .meanDeviation {
      let divisors = memory.mutableFloats(c.divisors)
      let area = c.height &* c.width
      for n in share.part(of: c.samples) {
        let sum = c.kernels.pointee.reduce_row(
          APUS_REDUCE_SUM, memory.floats(c.map) + n &* area, area, 0)
        divisors[n] = max(sum / Float(area), c.epsilon)
      }
      return
    }
    for row in share.part(of: c.samples &* c.height) { runRow(memory, row) }
  }

  private func runRow(_ memory: Memory, _ row: Int) {
    let c = window
    let k = c.kernels
    let width = c.width
    let area = c.height &* width
    let sample = row / c.height
    let h = row &- sample &* c.height
    let start = sample &* c.channels &* area &+ h &* width
    let x = memory.floats(c.x) + start
    let y = memory.mutableFloats(c.y) + start
    let map = memory.mutableFloats(c.map) + row &* width
    let filtered = memory.mutableFloats(c.filtered) + row &* width
    switch phase {
    case .channelMean:
      k.pointee.reduce_columns(APUS_REDUCE_SUM, x, c.channels, area, width, nil, false, map)
      k.pointee.unary(APUS_UNARY_AFFINE, map, map, width, 1 / Float(c.channels), 0)
      filterWidth(memory, map, filtered)
    case .subtract:
      filterHeight(memory, UnsafePointer(filtered), h, map)
      for channel in 0..<c.channels {
        let at = channel &* area
        k.pointee.binary(APUS_BINARY_SUB, x + at, 1, map, 1, y + at, width)
      }
      k.pointee.reduce_columns(APUS_REDUCE_SQUARE_SUM, y, c.channels, area, width, nil, false, map)
      k.pointee.unary(APUS_UNARY_AFFINE, map, map, width, 1 / Float(c.channels), 0)
    case .filterSquares:
      filterWidth(memory, map, filtered)
    case .deviation:
      filterHeight(memory, UnsafePointer(filtered), h, map)
      k.pointee.unary(APUS_UNARY_SQRT, map, map, width, 0, 0)
    case .meanDeviation: break
    case .divide:
      let divisor = memory.floats(c.divisors) + sample
      k.pointee.binary(APUS_BINARY_MAX, map, 1, divisor, 0, filtered, width)
      for channel in 0..<c.channels {
        let at = channel &* area
        k.pointee.binary(APUS_BINARY_DIV, y + at, 1, filtered, 1, y + at, width)
      }
    }
  }

  /// One row, filtered along itself.
  private func filterWidth(
    _ memory: Memory, _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>
  ) {
    let c = window
    let radius = c.size / 2
    let weights = memory.floats(c.weights)
    let interior = max(0, c.width &- 2 &* radius)
    if interior > 0 {
      c.kernels.pointee.weighted_sum(
        source, c.size, 1, weights, factor(weights, 0, c.size), target + radius, interior)
    }
    var i = 0
    while i < c.width {
      if i == radius && interior > 0 {
        i &+= interior
        continue
      }
      let first = max(0, radius &- i)
      let end = min(c.size, c.width &+ radius &- i)
      c.kernels.pointee.weighted_sum(
        source + (i &- radius &+ first), end &- first, 1, weights + first,
        factor(weights, first, end), target + i, 1)
      i &+= 1
    }
  }

  /// Row h of the rows around `source`, filtered along the height.
  private func filterHeight(
    _ memory: Memory, _ source: UnsafePointer<Float>, _ h: Int,
    _ target: UnsafeMutablePointer<Float>
  ) {
    let c = window
    let radius = c.size / 2
    let weights = memory.floats(c.weights)
    let first = max(0, radius &- h)
    let end = min(c.size, c.height &+ radius &- h)
    c.kernels.pointee.weighted_sum(
      source + (first &- radius) &* c.width, end &- first, c.width, weights + first,
      factor(weights, first, end), target, c.width)
  }

  /// 1 / Σ weights[first ..< end].
  private func factor(_ weights: UnsafePointer<Float>, _ first: Int, _ end: Int) -> Float {
    var sum: Float = 0
    var k = first
    while k < end {
      sum += weights[k]
      k &+= 1
    }
    return 1 / sum
  }
}
