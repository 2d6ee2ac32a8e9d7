import CSystem
import ModelFormat

/// How a Resize node finds coordinates and weights, whatever the axis.
struct ResizeRule {
  enum Coordinates: Int {
    case halfPixel, halfPixelSymmetric, pytorchHalfPixel, alignCorners, asymmetric, cropAndResize
  }
  enum Nearest: Int {
    case preferFloor, preferCeil, floor, ceil
  }

  let coordinates: Coordinates
  let nearest: Nearest
  let isAntialiased: Bool
  let excludesOutside: Bool
  let cubicCoefficient: Float
  /// What stands where tf_crop_and_resize leaves the input.
  let extrapolation: Float

  init(_ context: NodeContext) throws(ApusError) {
    let coordinates = try context.choice(
      "coordinate_transformation_mode",
      """
      half_pixel half_pixel_symmetric pytorch_half_pixel align_corners asymmetric \
      tf_crop_and_resize
      """)
    self.coordinates = Coordinates(rawValue: coordinates) ?? .halfPixel
    let nearest = try context.choice(
      "nearest_mode", "round_prefer_floor round_prefer_ceil floor ceil")
    self.nearest = Nearest(rawValue: nearest) ?? .preferFloor
    isAntialiased = context.int("antialias", default: 0) != 0
    excludesOutside = context.int("exclude_outside", default: 0) != 0
    cubicCoefficient = context.float("cubic_coeff_a", default: -0.75)
    extrapolation = context.float("extrapolation_value", default: 0)
  }

  /// The weight of an element at distance `x` from the coordinate.
  func weight(_ mode: ResizeGeometry.Mode, _ x: Double) -> Double {
    let d = abs(x)
    if mode == .linear { return max(0, 1 - d) }
    let a = Double(cubicCoefficient)
    if d <= 1 { return ((a + 2) * d - (a + 3)) * d * d + 1 }
    return d < 2 ? ((d - 5) * d + 8) * d * a - 4 * a : 0
  }

  /// The element nearest to coordinate `x`, rounded to a float first so that halves are halves.
  func nearestIndex(_ x: Double) -> Int {
    let x = Float(x)
    let below = x.rounded(.down)
    switch nearest {
    case .floor: return Int(below)
    case .ceil: return Int(x.rounded(.up))
    case .preferFloor: return Int(x - below <= 0.5 ? below : below + 1)
    case .preferCeil: return Int(x - below < 0.5 ? below : below + 1)
    }
  }
}

/// An axis that Resize changes.
struct ResizeAxis {
  var axis: Int
  let input: Int
  let output: Int
  let scale: Double
  /// The region of tf_crop_and_resize, as fractions of the axis.
  let start: Float
  let end: Float

  var isIdentity: Bool { input == output && scale == 1 && start == 0 && end == 1 }

  /// Where output position `i` lies on the input; nil where tf_crop_and_resize has nothing there.
  /// In double precision: far along an axis a float has few bits left for the weights.
  func coordinate(_ rule: ResizeRule, _ i: Int) -> Double? {
    let i = Double(i)
    let length = Double(input)
    let stretched = scale * length
    let start = Double(start)
    let end = Double(end)
    let x: Double
    switch rule.coordinates {
    case .halfPixel: x = (i + 0.5) / scale - 0.5
    case .pytorchHalfPixel: x = output == 1 ? 0 : (i + 0.5) / scale - 0.5
    case .halfPixelSymmetric:
      x = length / 2 * (1 - Double(output) / stretched) + (i + 0.5) / scale - 0.5
    case .asymmetric: x = i / scale
    case .alignCorners: x = stretched == 1 ? 0 : i * (length - 1) / (stretched - 1)
    case .cropAndResize:
      x =
        start * (length - 1)
        + (stretched == 1
          ? (end - start) * (length - 1) / 2 : i * (end - start) * (length - 1) / (stretched - 1))
      if !(x >= 0 && x <= length - 1) { return nil }
    }
    // Also where a scale too small makes nonsense of it; far outside is as good as the edge.
    return x >= -4 ? min(x, length + 4) : -4
  }

  /// Elements under the weights of one output position.
  func taps(_ mode: ResizeGeometry.Mode, _ rule: ResizeRule) -> Int {
    let reach = mode == .linear ? 1 : 2
    if !rule.isAntialiased || scale >= 1 { return 2 * reach }
    // Elements behind the edges count as the edges do; some bound there must be.
    let steps = min(Double(reach) / scale, 4 * Double(input) + 8)
    return 2 * Int(steps.rounded(.up)) + 2
  }

  /// The index of the element that each output position takes; −1: the extrapolation value.
  func nearestTable(_ rule: ResizeRule) -> [Int32] {
    var table: [Int32] = []
    table.reserveCapacity(output)
    for i in 0..<output {
      let index = coordinate(rule, i).map { max(0, min(rule.nearestIndex($0), input - 1)) } ?? -1
      table.append(Int32(truncatingIfNeeded: index))
    }
    return table
  }

  /// Indices and weights, `taps` for each output position; index −1: the extrapolation value.
  func weightTable(
    _ mode: ResizeGeometry.Mode, _ rule: ResizeRule
  ) -> (indices: [Int32], weights: [Float]) {
    let n = taps(mode, rule)
    let narrowing = rule.isAntialiased ? min(scale, 1) : 1
    var indices = [Int32](repeating: -1, count: output * n)
    var weights = [Float](repeating: 0, count: output * n)
    for i in 0..<output {
      guard let x = coordinate(rule, i) else { continue }
      let first = Int(x.rounded(.down)) - n / 2 + 1
      var sum = 0.0
      for t in 0..<n {
        let index = first + t
        indices[i * n + t] = Int32(truncatingIfNeeded: max(0, min(index, input - 1)))
        if rule.excludesOutside && (index < 0 || index >= input) { continue }
        let w = rule.weight(mode, (Double(index) - x) * narrowing)
        weights[i * n + t] = Float(w)
        sum += w
      }
      // Plain weights sum to 1 but for rounding.
      if sum != 0 && (rule.isAntialiased || rule.excludesOutside) {
        for t in 0..<n { weights[i * n + t] /= Float(sum) }
      }
    }
    return (indices, weights)
  }
}
