import ModelFormat

/// y[n, c, o…] = X[n, c, …] at the point that grid[n, o…] names: nearest element, linear or cubic
/// interpolation (Keys, a = −0.75). A point's coordinates run from −1 to 1 over each axis, the last
/// axis first; −1 and 1 are the centres of the outermost elements with align_corners, else their outer
/// edges. Points and elements outside are zeros, the nearest border element (border), or mirrored
/// (reflection).
///
/// Inputs: X [N, C, D1 … Dr], grid [N, O1 … Or, r], 1 ≤ r ≤ 3. ONNX GridSample, float32.
let gridSampleOperator = Operator(
  opcode: 224, name: "GridSample",
  attributes: [
    AttributeSpec("align_corners", .int), AttributeSpec("mode", .string),
    AttributeSpec("padding_mode", .string),
  ],
  inputs: 2...2,
  notes: "1 to 3 spatial axes, float32.",
  infer: { (context) throws(ApusError) in
    let sampling = try GridSampling(context)
    try context.setOutput(.float32, sampling.shape)
  },
  plan: { (context) throws(ApusError) in
    let sampling = try GridSampling(context.node)
    if sampling.shape.count == 0 { return }
    context.emit(
      GridSampleStep(sampling, context.input(0), context.input(1), context.output(0)),
      work: sampling.shape.count * (sampling.taps == 4 ? 16 : 4))
  })

private struct GridSampling {
  enum Padding: Int {
    case zeros, border, reflection
  }

  let shape: Shape
  let rank: Int
  let channels: Int
  /// Elements of X along z, y and x.
  var sizes = InlineArray<3, Int>(repeating: 1)
  let points: Int
  /// Elements along each axis that an output needs: 1, 2 or 4.
  let taps: Int
  let padding: Padding
  let alignsCorners: Bool

  init(_ context: NodeContext) throws(ApusError) {
    try context.requireFloat32()
    try context.requireRank(0, 3...5)
    let x = context.input(0).shape
    let grid = context.input(1).shape
    rank = x.rank - 2
    try context.require(
      grid.rank == x.rank && grid[0] == x[0] && grid[last: 1] == rank,
      "input 1 must be [\(x[0]), …, \(rank)] of rank \(x.rank) and is \(grid)")
    var shape = Shape(x[0], x[1])
    for i in 0..<rank {
      shape.append(grid[1 + i])
      sizes[3 - rank + i] = x[2 + i]
    }
    self.shape = shape
    try context.require(
      x.count > 0 || (shape.checkedCount ?? 1) == 0, "input 0 is empty: \(x)")
    channels = x[1]
    points = grid.product(1, grid.rank - 1)
    let mode = try context.choice("mode", "linear nearest cubic")
    taps = mode == 0 ? 2 : mode == 1 ? 1 : 4
    let padding = try context.choice("padding_mode", "zeros border reflection")
    self.padding = Padding(rawValue: padding) ?? .zeros
    alignsCorners = context.int("align_corners", default: 0) != 0
  }

  /// The elements along one axis that a coordinate needs, and their weights; index −1: outside.
  @inline(never)
  func find(_ coordinate: Float, _ length: Int) -> (index: SIMD4<Int32>, weight: SIMD4<Float>) {
    let n = Float(length)
    let low: Float = alignsCorners ? 0 : -0.5
    var x =
      alignsCorners ? (coordinate + 1) / 2 * (n - 1) : ((coordinate + 1) * n - 1) / 2
    if taps == 1 { x = x.rounded(.toNearestOrEven) }
    if x < low || x > n - 1 - low {
      switch padding {
      case .zeros: break
      case .border: if taps < 4 { x = max(0, min(x, n - 1)) }
      case .reflection: x = reflect(x, low, n - 1 - low)
      }
    }
    // What is farther away is as far as this; NaN too.
    x = x >= -4 ? min(x, n + 4) : -4
    let floor = x.rounded(.down)
    let t = x - floor
    var index = SIMD4<Int32>(repeating: -1)
    var weight = SIMD4<Float>()
    switch taps {
    case 1: weight[0] = 1
    case 2: weight = SIMD4(1 - t, t, 0, 0)
    default:
      let a: Float = -0.75
      let u = 1 - t
      // Distances beyond 1 for the outer two, below 1 for the inner two.
      let outer = SIMD2<Float>(t + 1, u + 1)
      let inner = SIMD2<Float>(t, u)
      let far = ((outer - 5) * outer + 8) * outer * a - 4 * a
      let near = ((a + 2) * inner - (a + 3)) * inner * inner + 1
      weight = SIMD4(far[0], near[0], near[1], far[1])
    }
    let first = Int(floor) - (taps == 4 ? 1 : 0)
    for k in 0..<taps {
      var i = first + k
      if i < 0 || i >= length {
        switch padding {
        case .zeros: continue
        case .border: i = max(0, min(i, length - 1))
        case .reflection:
          i = max(0, min(Int(reflect(Float(i), low, n - 1 - low)), length - 1))
        }
      }
      index[k] = Int32(truncatingIfNeeded: i)
    }
    return (index, weight)
  }

  /// x mirrored at the borders until it lies between them.
  private func reflect(_ x: Float, _ low: Float, _ high: Float) -> Float {
    let range = high - low
    if !(range > 0) { return low }
    let isBelow = x < low
    let distance = isBelow ? low - x : x - high
    if !(distance > 0) { return x }
    let times = (distance / range).rounded(.towardZero)
    let rest = distance - times * range
    let isEven = (times / 2).rounded(.towardZero) * 2 == times
    let inside = isBelow == isEven ? low + rest : high - rest
    return inside >= low ? min(inside, high) : low
  }
}

private final class GridSampleStep: Step {
  private let sampling: GridSampling
  private let x: Slot
  private let grid: Slot
  private let y: Slot

  init(_ sampling: GridSampling, _ x: Slot, _ grid: Slot, _ y: Slot) {
    self.sampling = sampling
    self.x = x
    self.grid = grid
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    let s = sampling
    let (height, width) = (s.sizes[1], s.sizes[2])
    let planeCount = s.sizes[0] * height * width
    var one: (index: SIMD4<Int32>, weight: SIMD4<Float>) = (SIMD4(0, -1, -1, -1), SIMD4())
    one.weight[0] = 1
    // The elements that a point needs, and their weights: at most 4 along each of 3 axes.
    var positions = InlineArray<64, Int>(repeating: 0)
    var weights = InlineArray<64, Float>(repeating: 0)
    for point in share.part(of: s.shape[0] * s.points) {
      let image = point / s.points
      let at = memory.floats(grid) + point * s.rank
      let xs = s.find(at[0], width)
      let ys = s.rank > 1 ? s.find(at[1], height) : one
      let zs = s.rank > 2 ? s.find(at[2], s.sizes[0]) : one
      var n = 0
      for k in 0..<4 where zs.index[k] >= 0 {
        for j in 0..<4 where ys.index[j] >= 0 {
          for i in 0..<4 where xs.index[i] >= 0 {
            positions[n] =
              (Int(zs.index[k]) * height + Int(ys.index[j])) * width + Int(xs.index[i])
            weights[n] = zs.weight[k] * ys.weight[j] * xs.weight[i]
            n += 1
          }
        }
      }
      var source = memory.floats(x) + image * s.channels * planeCount
      var target = memory.mutableFloats(y) + image * s.channels * s.points + point % s.points
      for _ in 0..<s.channels {
        var sum: Float = 0
        var i = 0
        while i < n {
          sum += source[positions[i]] * weights[i]
          i &+= 1
        }
        target[0] = sum
        source += planeCount
        target += s.points
      }
    }
  }
}
