import CKernels

@inline(__always) var isaName: StaticString { "avx512" }

/// a·b + c in one rounding.
@inline(__always) func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
  apus_fma_f32x16(a, b, c)
}

/// The same in half a register.
@inline(__always)
func multiplyAdd(_ a: HalfVector, _ b: HalfVector, _ c: HalfVector) -> HalfVector {
  apus_fma_f32x8(a, b, c)
}

/// a + b, a − b and a · b where Swift's operators do not become vector code: between branches.
@inline(__always) func sum(_ a: Vector, _ b: Vector) -> Vector { apus_sum_f32x16(a, b) }
@inline(__always) func difference(_ a: Vector, _ b: Vector) -> Vector {
  apus_difference_f32x16(a, b)
}
@inline(__always) func product(_ a: Vector, _ b: Vector) -> Vector { apus_product_f32x16(a, b) }
/// √v, correctly rounded.
@inline(__always) func squareRoot(_ v: Vector) -> Vector { apus_sqrt_f32x16(v) }
/// A mask of the lanes where a = b.
@inline(__always) func equal(_ a: Vector, _ b: Vector) -> IntVector { apus_equal_f32x16(a, b) }
/// To the integer at or below, at or above, and to the nearest with halves to even.
@inline(__always) func roundDown(_ v: Vector) -> Vector { apus_floor_f32x16(v) }
@inline(__always) func roundUp(_ v: Vector) -> Vector { apus_ceil_f32x16(v) }
@inline(__always) func roundToEven(_ v: Vector) -> Vector { apus_round_f32x16(v) }

/// Positions of the tile of a convolution over channel blocks:
/// 14 x 2 sums, 2 of weights, 1 broadcast: 31 of 32 registers.
@inline(__always) var blockedPositions: Int { 14 }
/// A step of a transposition, on groups of `lanes` lanes: those of a and b with an even number in
/// turns, or those with an odd number.
@inline(__always) func evenGroups(_ a: Vector, _ b: Vector, _ lanes: Int) -> Vector {
  switch lanes {
  case 1: apus_even_1_f32x16(a, b)
  case 2: apus_even_2_f32x16(a, b)
  case 4: apus_even_4_f32x16(a, b)
  default: apus_even_8_f32x16(a, b)
  }
}
@inline(__always) func oddGroups(_ a: Vector, _ b: Vector, _ lanes: Int) -> Vector {
  switch lanes {
  case 1: apus_odd_1_f32x16(a, b)
  case 2: apus_odd_2_f32x16(a, b)
  case 4: apus_odd_4_f32x16(a, b)
  default: apus_odd_8_f32x16(a, b)
  }
}
/// As many vectors as lanes.
typealias VectorSquare = InlineArray<16, Vector>

// Integers, for what quantises and dequantises.
@inline(__always) func widen(_ p: UnsafePointer<UInt8>) -> IntVector { apus_widen_u8x16(p) }
@inline(__always) func narrow(_ v: IntVector, _ p: UnsafeMutablePointer<UInt8>) {
  apus_narrow_i32x16(v, p)
}
@inline(__always) func real(_ v: IntVector) -> Vector { apus_real_i32x16(v) }
@inline(__always) func quantized(_ v: Vector, _ lower: Float, _ upper: Float) -> IntVector {
  apus_quantize_f32x16(v, lower, upper)
}

@c(kernels_fill_avx512) public func fillKernels(_ table: UnsafeMutablePointer<apus_kernels>) {
  // Without VNNI, products of integers are no faster in wider vectors, whose panels fill the cache
  // (measured: 20 % to 55 % slower, but for depthwise convolutions): they stay those of AVX2.
  kernels_fill_avx2(table)
  fill(table)
}
