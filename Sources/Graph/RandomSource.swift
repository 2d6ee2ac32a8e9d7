import Foundation

/// A pseudo-random generator whose numbers are the same on every machine and in every version:
/// initial weights are drawn from it, so a seed names exactly one network.
///
/// xoshiro256** 1.0 (D. Blackman, S. Vigna, "Scrambled linear pseudorandom number generators",
/// ACM TOMS 47, 2021), its state filled by SplitMix64 from the seed. Period 2²⁵⁶ − 1.
public struct RandomSource {
  private var s: (UInt64, UInt64, UInt64, UInt64)

  public init(seed: UInt64) {
    var x = seed
    func split() -> UInt64 {
      x &+= 0x9E37_79B9_7F4A_7C15
      var z = x
      z = (z ^ (z &>> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z &>> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z &>> 31)
    }
    s = (split(), split(), split(), split())
  }

  /// A generator of its own for each place in a run: the same numbers whatever was drawn elsewhere.
  public init(seed: UInt64, _ parts: UInt64...) {
    var mixed = seed
    for part in parts {
      var generator = RandomSource(seed: mixed)
      mixed = generator.next() ^ part
    }
    self.init(seed: mixed)
  }

  public mutating func next() -> UInt64 {
    let product = s.1 &* 5
    let result = (product &<< 7 | product &>> 57) &* 9
    let t = s.1 &<< 17
    s.2 ^= s.0
    s.3 ^= s.1
    s.1 ^= s.2
    s.0 ^= s.3
    s.2 ^= t
    s.3 = s.3 &<< 45 | s.3 &>> 19
    return result
  }

  /// Uniform in [0, 1), a multiple of 2⁻²⁴.
  public mutating func float() -> Float { Float(next() >> 40) * 0x1p-24 }

  /// Uniform in [low, high).
  public mutating func float(_ low: Float, _ high: Float) -> Float { low + (high - low) * float() }

  /// Of mean 0 and standard deviation 1 (Box and Muller, in double precision).
  public mutating func normal() -> Float {
    let u = (Double(next() >> 11) + 1) * 0x1p-53
    let v = Double(next() >> 11) * 0x1p-53
    return Float((-2 * log(u)).squareRoot() * cos(2 * Double.pi * v))
  }
}
