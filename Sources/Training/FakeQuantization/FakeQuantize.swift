import Quantization

/// Numbers rounded as int8 will round them, and the straight-through estimator: the derivative of a
/// rounded number by the number is taken to be 1, and 0 where the number is clipped (B. Jacob et
/// al., "Quantization and training of neural networks for efficient integer-arithmetic-only
/// inference", 2018, section 3).
enum FakeQuantize {
  /// To the nearest integer, halves to even: in a sum with 1.5 · 2ᵖ there is no room for a
  /// fraction.
  @inline(__always) static func rounded<S: TrainingScalar>(_ x: S, _ shift: S) -> S {
    (x + shift) - shift
  }

  /// 1.5 · 2ᵖ, p the bits of a significand.
  @inline(__always) static func shift<S: TrainingScalar>(_: S.Type) -> S {
    3 * S(sign: .plus, exponent: S.Exponent(S.significandBitCount - 1), significand: 1)
  }

  // MARK: Activations

  /// y = scale · (min(max(round(x / scale) + zero, smallest), largest) − zero).
  static func activations<S: TrainingScalar>(
    _ n: Int, _ x: UnsafePointer<S>, _ y: UnsafeMutablePointer<S>, _ p: LinearParameters
  ) {
    let (scale, low, high) = limits(p, S.self)
    let shift = shift(S.self)
    inParts(n) { range in
      for i in range {
        let q = rounded(x[i] / scale, shift)
        y[i] = (q < low ? low : q > high ? high : q) * scale
      }
    }
  }

  /// dx += dy where round(x / scale) + zero is one of the integers.
  static func passThrough<S: TrainingScalar>(
    _ n: Int, _ x: UnsafePointer<S>, _ dy: UnsafePointer<S>, _ dx: UnsafeMutablePointer<S>,
    _ p: LinearParameters
  ) {
    let (scale, low, high) = limits(p, S.self)
    let shift = shift(S.self)
    inParts(n) { range in
      for i in range {
        let q = rounded(x[i] / scale, shift)
        dx[i] += q >= low && q <= high ? dy[i] : 0
      }
    }
  }

  /// The scale, and the integers counted from the zero point.
  private static func limits<S: TrainingScalar>(
    _ p: LinearParameters, _: S.Type
  ) -> (scale: S, low: S, high: S) {
    let range = p.type.range
    return (S(p.scale), S(range.lowerBound - p.zero), S(range.upperBound - p.zero))
  }

  /// The smallest and the largest of n numbers.
  static func limits<S: TrainingScalar>(_ n: Int, _ x: UnsafePointer<S>) -> (S, S) {
    var low = S.infinity
    var high = -S.infinity
    for i in 0..<n {
      let v = x[i]
      low = v < low ? v : low
      high = v > high ? v : high
    }
    return (low, high)
  }

  /// A row with the scale and the zero point of its own range, as DynamicQuantizeLinear finds them:
  /// nothing is clipped, so the derivative is 1 everywhere.
  static func row<S: TrainingScalar>(_ n: Int, _ x: UnsafeMutablePointer<S>) {
    var (low, high) = limits(n, UnsafePointer(x))
    low = low < 0 ? low : 0
    high = high > 0 ? high : 0
    let scale = (high - low) / 255
    guard scale > 0 else { return }
    let shift = shift(S.self)
    let zero = rounded(min(max(-low / scale, 0), 255), shift)
    for i in 0..<n {
      let q = rounded(x[i] / scale, shift) + zero
      x[i] = ((q < 0 ? 0 : q > 255 ? 255 : q) - zero) * scale
    }
  }

  /// Threads cost more than a few numbers take.
  private static func inParts(_ n: Int, _ body: (Range<Int>) -> Void) {
    if n < 1 << 15 { return body(0..<n) }
    TrainingThreads.parallel(n) { range, _ in body(range) }
  }

  // MARK: Weights

  /// y = scale · round(x / scale), scale = max |x| / 127 of each channel or of all: nothing is
  /// clipped, so the derivative is 1 everywhere.
  static func weights<S: TrainingScalar>(
    _ rounding: RoundedWeight, _ x: UnsafePointer<S>, _ y: UnsafeMutablePointer<S>,
    scales: UnsafeMutablePointer<S>
  ) {
    let shape = rounding.shape
    let total = shape.reduce(1, *)
    let channels = rounding.channels
    let inner = rounding.axis.map { shape.dropFirst($0 + 1).reduce(1, *) } ?? total
    guard total > 0 else { return }
    let outer = total / (inner * channels)
    let shift = shift(S.self)
    for c in 0..<channels {
      var largest: S = 0
      for o in 0..<outer {
        let from = x + (o * channels + c) * inner
        for i in 0..<inner {
          let v = from[i] < 0 ? -from[i] : from[i]
          largest = v > largest ? v : largest
        }
      }
      let scale = max(largest / 127, S(RoundedWeight.smallestScale))
      scales[c] = scale
      for o in 0..<outer {
        let at = (o * channels + c) * inner
        for i in at..<(at + inner) {
          let q = rounded(x[i] / scale, shift)
          y[i] = (q < -127 ? -127 : q > 127 ? 127 : q) * scale
        }
      }
    }
  }

  /// y = step · round(x / step), step = scale · scales[channel]; int32 has room for all of them.
  ///
  /// - Parameter each: 1 where each number has a scale, 0 where all have the first.
  static func bias<S: TrainingScalar>(
    _ n: Int, _ x: UnsafePointer<S>, _ y: UnsafeMutablePointer<S>, _ scale: S,
    _ scales: UnsafePointer<S>, each: Int
  ) {
    let shift = shift(S.self)
    for i in 0..<n {
      let step = scale * scales[i * each]
      y[i] = step > 0 ? rounded(x[i] / step, shift) * step : x[i]
    }
  }
}
