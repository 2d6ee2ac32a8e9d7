import CKernels

// a^b in double precision, as 2^(b·log2 |a|), rounded to float32 once. The loops hold no branch, so
// that the optimiser makes vector code of them; they work on blocks of one length, and no product
// is fused with a sum, so that an element has the same bits wherever it stands and on every
// instruction set. The methods are those of Exponential.swift; the polynomials are minimax fits of
// our own, with relative errors of 2^-45 (logarithm) and 2^-34 (power of two). Largest error: 0.501
// ulp; Tests/python/test_power.py measures it against mpmath.

/// Elements that are computed at a time.
@inline(__always) private var blockCount: Int { 16 }
private typealias Block = SIMD16<Float>

/// log2 x for x ≥ 0. With x = 2^k·m, √½ ≤ m < √2 and s = (m − 1)/(m + 1) it is
/// k + 2/ln 2·(s + s³/3 + s⁵/5 + …).
@inline(__always) private func log2(_ x: Double) -> Double {
  let bits = x.bitPattern
  // Biased so that it never is negative: an unsigned shift is vector code everywhere.
  let biased = (bits &- 0x3FE6_A09E_667F_3BCD &+ 0x3FF0_0000_0000_0000) &>> 52
  // As the low bits of 2^52, which converts it.
  let k = Double(bitPattern: biased | 0x4330_0000_0000_0000) - (0x1p52 + 1023)
  let m = Double(bitPattern: bits &- (biased &<< 52) &+ 0x3FF0_0000_0000_0000)
  let s = (m - 1) / (m + 1)
  let z = s * s
  var p = 0.282_920_906_730_748_4 * z + 0.319_904_321_831_189_6
  p = p * z + 0.412_209_283_892_205_7
  p = p * z + 0.577_077_942_074_485_9
  p = p * z + 0.961_796_694_114_260_9
  p = p * z + 2.885_390_081_777_849_5
  let y = k + s * p
  return x == 0 ? -Double.infinity : x < Double.infinity ? y : x
}

/// 2^t; beyond ±200 as at ±200, which float32 can't hold.
@inline(__always) private func exp2(_ t: Double) -> Double {
  let low = t < -200 ? -200 : t
  let t = low > 200 ? 200 : low
  // Adding 1.5·2^52 rounds to an integer and leaves it in the low bits.
  let shifted = t + 0x1.8p52
  let r = t - (shifted - 0x1.8p52)
  var p = 1.520_192_264_197_557_6e-05 * r + 0.000_154_692_911_308_010_6
  p = p * r + 0.001_333_392_255_907_752_5
  p = p * r + 0.009_618_027_253_711_369
  p = p * r + 0.055_504_103_534_532_084
  p = p * r + 0.240_226_511_981_572_08
  p = p * r + 0.693_147_180_728_445_6
  p = p * r + 0.999_999_999_961_682
  return Double(bitPattern: p.bitPattern &+ (shifted.bitPattern &<< 52))
}

/// a^b as C99's pow has it: 1 where a is 1 or b is 0, whatever the other; NaN where a < 0 and b is
/// no integer.
@inline(__always) private func power(_ a: Float, _ b: Float) -> Float {
  let base = a.magnitude
  let size = b.magnitude
  // From 2^24 on every float is an even integer; NaN goes the same way.
  let small = size < 0x1p24 ? size : 0x1p24
  let integer = Int32(small)
  let isInteger = Float(integer) == small
  let isOdd = integer & 1 == 1 && isInteger
  let logarithm = log2(Double(base))
  // 1^±∞ is 1, also for −1.
  let t = base == 1 && size == .infinity ? 0 : Double(b) * logarithm
  let y = Float(exp2(t))
  let isNegative = a.bitPattern &>> 31 == 1
  let hasNoValue = isNegative && !isInteger && base > 0 && base < .infinity
  let signed = Float(bitPattern: y.bitPattern ^ (isNegative && isOdd ? 0x8000_0000 : 0))
  return a == 1 || b == 0 ? 1 : hasNoValue ? Float.nan : signed
}

/// y[i] = a[i·aStep]^b[i·bStep] with steps of 0 or 1. y may be a or b where its step is 1.
@inline(never)
func powers(
  _ a: UnsafePointer<Float>, _ aStep: Int, _ b: UnsafePointer<Float>, _ bStep: Int,
  _ y: UnsafeMutablePointer<Float>, _ n: Int
) {
  var bases = Block(repeating: 1)
  var exponents = Block(repeating: 1)
  withUnsafeMutableBytes(of: &bases) { bases in
    withUnsafeMutableBytes(of: &exponents) { exponents in
      let u = bases.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
      let v = exponents.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
      var first = 0
      while first < n {
        let m = min(blockCount, n &- first)
        var i = 0
        while i < m {
          u[i] = a[(first &+ i) &* aStep]
          v[i] = b[(first &+ i) &* bStep]
          i &+= 1
        }
        i = 0
        while i < blockCount {
          u[i] = power(u[i], v[i])
          i &+= 1
        }
        i = 0
        while i < m {
          y[first &+ i] = u[i]
          i &+= 1
        }
        first &+= m
      }
    }
  }
}
