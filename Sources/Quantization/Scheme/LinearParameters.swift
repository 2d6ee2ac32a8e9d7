/// x = scale · (q − zero): the scale and the zero point of an activation.
public struct LinearParameters: Equatable {
  public let type: ActivationType
  public let scale: Float
  public let zero: Int32

  /// The range is widened to hold 0, which is exact then.
  public init(_ range: (lower: Float, upper: Float), _ type: ActivationType) {
    self.type = type
    let lower = min(range.lower, 0)
    let upper = max(range.upper, 0)
    let integers = type.range
    let steps = Float(integers.upperBound - integers.lowerBound)
    let scale = (upper - lower) / steps
    // A tensor of zeros, or of numbers next to nothing, still has a scale to divide by.
    guard scale >= .leastNormalMagnitude, scale.isFinite else {
      self.scale = scale.isFinite ? 1 : .greatestFiniteMagnitude / 256
      zero = lower < 0 && upper == 0 ? integers.upperBound : integers.lowerBound
      return
    }
    self.scale = scale
    let zero = (Float(integers.lowerBound) - lower / scale).rounded(.toNearestOrEven)
    self.zero = min(max(Int32(zero), integers.lowerBound), integers.upperBound)
  }

  private init(_ type: ActivationType, _ scale: Float, _ zero: Int32) {
    self.type = type
    self.scale = scale
    self.zero = zero
  }

  /// The same for integers of another type, which are 128 apart.
  func retyped(_ other: ActivationType) -> LinearParameters {
    LinearParameters(other, scale, zero + other.range.lowerBound - type.range.lowerBound)
  }

  /// What the smallest and the largest integer stand for.
  var smallest: Double { Double(scale) * Double(type.range.lowerBound - zero) }
  var largest: Double { Double(scale) * Double(type.range.upperBound - zero) }

  /// The bytes of the integers of some numbers.
  func quantized(_ numbers: [Float]) -> [UInt8] {
    numbers.map { x in
      let q = (x / scale).rounded(.toNearestOrEven) + Float(zero)
      let limited = min(max(q, Float(type.range.lowerBound)), Float(type.range.upperBound))
      return UInt8(truncatingIfNeeded: Int32(limited))
    }
  }
}
