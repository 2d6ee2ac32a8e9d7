// Exponential, logarithm and what is made of them, on whole vectors; every kernel of the module may
// call them. The methods are the standard ones (W. J. Cody, W. Waite, "Software Manual for the
// Elementary Functions", 1980; argument reduction in two exact parts). The polynomials are minimax
// fits of our own. Nothing here counts on a fused multiply-add: the bounds hold with `multiplyAdd`
// in one rounding and in two. Tests/python/test_vector_maths.py measures each bound over all
// exponents, on every instruction set.
//
// Largest errors in units in the last place (ulp):  exp 2; expm1, log, log1p, sigmoid, tanh, erf 4.
// NaN gives NaN. A run flushes denormal numbers to zero: a denormal argument counts as zero with
// its sign, a result below 2^-126 is zero.

@inline(__always) private func all(_ x: Float) -> Vector { Vector(repeating: x) }

/// −x; Swift's own minus computes 0 − x, which loses the sign of zero.
@inline(__always) func negated(_ x: Vector) -> Vector {
  unsafeBitCast(
    unsafeBitCast(x, to: IntVector.self) ^ IntVector(repeating: Int32.min), to: Vector.self)
}

/// 2^n, for −126 ≤ n ≤ 127; 0 for n = −127.
@inline(__always) private func powerOfTwo(_ n: IntVector) -> Vector {
  unsafeBitCast((n &+ IntVector(repeating: 127)) &<< IntVector(repeating: 23), to: Vector.self)
}

/// |x| and the sign bit of x, apart.
@inline(__always) func magnitude(_ x: Vector) -> Vector {
  unsafeBitCast(
    unsafeBitCast(x, to: IntVector.self) & IntVector(repeating: 0x7FFF_FFFF), to: Vector.self)
}

/// `value` with its sign flipped where `sign` is negative; NaN and zeros included.
@inline(__always) func applySign(of sign: Vector, to value: Vector) -> Vector {
  let bit = unsafeBitCast(sign, to: IntVector.self) & IntVector(repeating: Int32.min)
  return unsafeBitCast(unsafeBitCast(value, to: IntVector.self) ^ bit, to: Vector.self)
}

/// x = n·ln 2 + r with |r| ≤ 0.35, for |x| ≤ 128: n·0.693359375 has at most 18 bits, so that only the
/// small second part rounds.
@inline(__always) private func reduce(_ x: Vector) -> (r: Vector, n: IntVector, nFloat: Vector) {
  // Adding 1.5·2^23 rounds to an integer and leaves it in the low bits.
  let shifter = all(12_582_912)
  let shifted = multiplyAdd(x, all(1.442_695_04), shifter)
  let n = shifted - shifter
  let integer = unsafeBitCast(shifted, to: IntVector.self) &- IntVector(repeating: 0x4B40_0000)
  let r = (x - n * all(0.693_359_375)) - n * all(-2.121_944_4e-4)
  return (r, integer, n)
}

/// e^x as 2^n times a number near 1, for |x| ≤ 128.
@inline(__always) private func exponential(_ x: Vector) -> (fraction: Vector, n: IntVector) {
  let (r, n, _) = reduce(x)
  var q = multiplyAdd(r, all(1.388_186_4e-3), all(8.369_796e-3))
  q = multiplyAdd(q, r, all(4.166_734_2e-2))
  q = multiplyAdd(q, r, all(1.666_651e-1))
  q = multiplyAdd(q, r, all(0.499_999_97))
  return (multiplyAdd(r * r, q, r) + all(1), n)
}

/// e^x. Overflows to infinity above 88.72.
@inline(__always) func exp(_ x: Vector) -> Vector {
  var x = select(less(all(89), x), all(89), x)
  x = select(less(x, all(-104)), all(-104), x)
  let (y, n) = exponential(x)
  // In two factors, since 2^n alone may be out of range where the result is not.
  let half = n &>> IntVector(repeating: 1)
  return y * powerOfTwo(half) * powerOfTwo(n &- half)
}

/// e^x for x ≤ 0. With one factor: 2^−127 counts as zero, as all results below 2^−126 do.
@inline(__always) private func expNegative(_ x: Vector) -> Vector {
  let (y, n) = exponential(select(less(x, all(-88)), all(-88), x))
  return y * powerOfTwo(n)
}

/// e^x − 1 without cancellation, for x ≤ 88 (larger x count as 88). As 2^n·(e^r − 1) + (2^n − 1).
@inline(__always) func expm1(_ x: Vector) -> Vector {
  var x = select(less(all(88), x), all(88), x)
  x = select(less(x, all(-30)), all(-30), x)
  // The sign of zero is that of x.
  return select(equal(x, all(0)), x, expm1InRange(x))
}

/// The same for −30 ≤ x ≤ 88; +0 for either zero.
@inline(__always) private func expm1InRange(_ x: Vector) -> Vector {
  let (r, n, _) = reduce(x)
  var q = multiplyAdd(r, all(1.991_560_6e-4), all(1.394_203_4e-3))
  q = multiplyAdd(q, r, all(8.333_27e-3))
  q = multiplyAdd(q, r, all(4.166_634_4e-2))
  q = multiplyAdd(q, r, all(1.666_666_7e-1))
  q = multiplyAdd(q, r, all(0.5))
  let p = multiplyAdd(r * r, q, r)
  let scale = powerOfTwo(n)
  return multiplyAdd(scale, p, scale - all(1))
}

/// A quotient before its division, which several may share.
struct Quotient {
  let numerator: Vector
  let denominator: Vector

  @inline(__always) var value: Vector { numerator / denominator }

  @inline(__always) static func * (a: Quotient, b: Quotient) -> Quotient {
    Quotient(
      numerator: a.numerator * b.numerator, denominator: a.denominator * b.denominator)
  }
}

/// 1 / (1 + e^−x).
@inline(__always) func sigmoid(_ x: Vector) -> Vector { sigmoidQuotient(x).value }

@inline(__always) func sigmoidQuotient(_ x: Vector) -> Quotient {
  let e = expNegative(negated(magnitude(x)))
  return Quotient(numerator: select(less(x, all(0)), e, all(1)), denominator: all(1) + e)
}

/// tanh x = m / (m + 2) with m = e^2x − 1.
@inline(__always) func tanh(_ x: Vector) -> Vector { tanhQuotient(x).value }

@inline(__always) func tanhQuotient(_ x: Vector) -> Quotient {
  let a = magnitude(x)
  let m = expm1InRange(select(less(all(10), a), all(10), a) * all(2))
  return Quotient(numerator: applySign(of: x, to: m), denominator: m + all(2))
}

/// The natural logarithm; −∞ at zeros, NaN below. With x = 2^n·(1 + f), √½ ≤ 1 + f < √2.
@inline(__always) func log(_ x: Vector) -> Vector {
  // A run reads denormal numbers as zero; elsewhere they are scaled into the normal range.
  let isTiny = less(x, all(0x1p-126))
  let scaled = select(isTiny, x * all(0x1p24), x)
  let bits = unsafeBitCast(scaled, to: IntVector.self)
  // Bits of √½, so that the fraction's range is centred on 1.
  let offset = bits &- IntVector(repeating: 0x3F35_04F3)
  let integer = offset &>> IntVector(repeating: 23)
  let f = unsafeBitCast(bits &- (integer &<< IntVector(repeating: 23)), to: Vector.self) - all(1)
  // Below 2^8, so that adding it to 1.5·2^23 in integers converts it.
  var n =
    unsafeBitCast(integer &+ IntVector(repeating: 0x4B40_0000), to: Vector.self) - all(12_582_912)
  n = select(isTiny, n - all(24), n)
  var p = multiplyAdd(f, all(6.915_147e-2), all(-1.178_969_6e-1))
  p = multiplyAdd(p, f, all(1.187_301_65e-1))
  p = multiplyAdd(p, f, all(-1.238_437e-1))
  p = multiplyAdd(p, f, all(1.421_865_5e-1))
  p = multiplyAdd(p, f, all(-1.666_925e-1))
  p = multiplyAdd(p, f, all(2.000_222_7e-1))
  p = multiplyAdd(p, f, all(-2.499_998_7e-1))
  p = multiplyAdd(p, f, all(3.333_331e-1))
  let square = f * f
  var tail = multiplyAdd(square * f, p, n * all(-2.121_944_4e-4))
  tail = multiplyAdd(square, all(-0.5), tail)
  var y = multiplyAdd(n, all(0.693_359_375), f + tail)
  y = select(equal(x, all(0)), all(-.infinity), y)
  y = select(less(x, all(0)), all(.nan), y)
  // Infinity and NaN stay what they are.
  y = select(~less(x, all(.infinity)), x, y)
  return y
}

/// log(1 + x) without cancellation, for 0 ≤ x ≤ 1: the logarithm of u = fl(1 + x), corrected for what
/// the sum rounded away.
@inline(__always) func log1p(_ x: Vector) -> Vector {
  let u = x + all(1)
  return log(u) + (x - (u - all(1))) / u
}

/// The error function: x·(1 + P(x²)) near zero; beyond, 1 − e^(−t·Q(t)) with t = |x|.
@inline(__always) func erf(_ x: Vector) -> Vector {
  let a = magnitude(x)
  let s = x * x
  var p = multiplyAdd(s, all(8.215_426e-5), all(-8.105_966e-4))
  p = multiplyAdd(p, s, all(5.197_797_4e-3))
  p = multiplyAdd(p, s, all(-2.685_810_4e-2))
  p = multiplyAdd(p, s, all(1.128_367_26e-1))
  p = multiplyAdd(p, s, all(-3.761_263_2e-1))
  p = multiplyAdd(p, s, all(1.283_791_7e-1))
  // Not a + a·p, whose product would be flushed to zero where a itself is not.
  let near = a * (all(1) + p)
  // From 3.92 on the result rounds to 1.
  let t = select(less(all(4), a), all(4), a)
  var q = multiplyAdd(t, all(1.076_316_5e-5), all(-3.180_596e-4))
  q = multiplyAdd(q, t, all(3.622_918_4e-3))
  q = multiplyAdd(q, t, all(-2.372_018_6e-2))
  q = multiplyAdd(q, t, all(1.061_876_1e-1))
  q = multiplyAdd(q, t, all(6.351_815e-1))
  q = multiplyAdd(q, t, all(1.128_641))
  let far = all(1) - expNegative(negated(t * q))
  return applySign(of: x, to: select(less(a, all(0.95)), near, far))
}
