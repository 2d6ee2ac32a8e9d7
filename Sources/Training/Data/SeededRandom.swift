import Foundation

/// A pseudo-random generator whose numbers are the same on every machine and in every version:
/// splits, shuffles and augmentations are drawn from it, so a seed names one exact training run.
///
/// SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014). One 64-bit state, period 2⁶⁴.
public struct SeededRandom {
  public private(set) var state: UInt64

  public init(seed: UInt64) {
    state = seed
  }

  /// A generator of its own for each place in a run: the same numbers for the same parts, whatever
  /// was drawn elsewhere. That is why a resumed run needs no generator's state.
  public init(seed: UInt64, _ parts: Int...) {
    state = seed
    for part in parts {
      state = next() ^ UInt64(truncatingIfNeeded: part)
    }
    state = next()
  }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z &>> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z &>> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z &>> 31)
  }

  /// Uniform in [0, 1), a multiple of 2⁻²⁴.
  public mutating func float() -> Float {
    Float(next() >> 40) * 0x1p-24
  }

  /// Uniform in [low, high].
  public mutating func float(_ low: Float, _ high: Float) -> Float {
    low + (high - low) * float()
  }

  /// Uniform in 0..<bound. (Multiply and shift; off from uniform by less than bound / 2⁶⁴.)
  public mutating func integer(below bound: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// From the normal distribution with mean 0 and deviation 1 (G. E. P. Box, M. E. Muller, "A note on
  /// the generation of random normal deviates", 1958).
  public mutating func normal() -> Float {
    let radius = (-2 * log(1 - Double(float()))).squareRoot()
    return Float(radius * cos(2 * .pi * Double(float())))
  }

  /// The numbers 0..<count in random order (Fisher and Yates; Knuth, TAOCP 2, algorithm P).
  public mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    var last = count - 1
    while last > 0 {
      order.swapAt(last, integer(below: last + 1))
      last -= 1
    }
    return order
  }
}
