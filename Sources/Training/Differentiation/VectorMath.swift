/// float32 exp and tanh, eight at a time, for training: libm's take most of a small network's time.
/// (The runtime has its own, so that each checks the other.)
enum VectorMath {
  typealias Vector = SIMD8<Float>

  /// exp(x) to 2 ulp; x is clamped to ±87, where float32 ends.
  ///
  /// exp(x) = 2ⁿ exp(r), n = round(x / ln 2), |r| ≤ ln 2 / 2; exp(r) by its Taylor polynomial, whose
  /// error is r⁸/8! ≤ 5·10⁻⁹.
  @inline(__always) static func exp(_ x: Vector) -> Vector {
    let above = x.replacing(with: Vector(repeating: -87), where: x .< -87)
    let clamped = above.replacing(with: Vector(repeating: 87), where: above .> 87)
    // Adding 1.5 · 2²³ rounds to an integer, which then stands in the low bits.
    let shifted = clamped * 1.442_695_04 + 12_582_912
    let n = shifted - 12_582_912
    // ln 2 in two parts, the first exact in few bits (W. J. Cody and W. Waite 1980).
    let r = (clamped - n * 0.693_359_375) + n * 2.121_944_4e-4
    var p = r * (1 / 5040) + (1 / 720)
    p = p * r + (1 / 120)
    p = p * r + (1 / 24)
    p = p * r + (1 / 6)
    p = p * r + 0.5
    p = p * r + 1
    p = p * r + 1
    let bits = unsafeBitCast(shifted, to: SIMD8<Int32>.self) &- 0x4B40_0000
    return p * unsafeBitCast((bits &+ 127) &<< 23, to: Vector.self)
  }

  /// tanh(x) to 4 ulp: below 0.625 an odd polynomial (Cephes tanhf, S. L. Moshier), above it
  /// 1 − 2 / (exp(2|x|) + 1).
  @inline(__always) static func tanh(_ x: Vector) -> Vector {
    let magnitude = x.replacing(with: -x, where: x .< 0)
    let z = x * x
    var p = z * -5.704_988_727_45e-3 + 2.063_908_879_54e-2
    p = p * z - 5.373_971_555_31e-2
    p = p * z + 1.333_144_220_36e-1
    p = p * z - 3.333_328_194_22e-1
    let small = p * z * x + x
    let large = 1 - 2 / (exp(2 * magnitude) + 1)
    let signed = large.replacing(with: -large, where: x .< 0)
    return small.replacing(with: signed, where: magnitude .> 0.625)
  }

  @inline(__always) static func map(
    _ n: Int, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
    _ body: (Vector) -> Vector
  ) {
    let source = UnsafeRawPointer(x)
    let target = UnsafeMutableRawPointer(y)
    var i = 0
    while i &+ 8 <= n {
      let v = body(source.loadUnaligned(fromByteOffset: i &* 4, as: Vector.self))
      target.storeBytes(of: v, toByteOffset: i &* 4, as: Vector.self)
      i &+= 8
    }
    if i < n {
      var v = Vector.zero
      for k in 0..<(n &- i) { v[k] = x[i &+ k] }
      v = body(v)
      for k in 0..<(n &- i) { y[i &+ k] = v[k] }
    }
  }
}
