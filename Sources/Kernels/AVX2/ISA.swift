import CKernels

/// The vector register of this instruction set.
typealias Vector = SIMD8<Float>
/// Its lanes as integers, for exponent arithmetic.
typealias IntVector = SIMD8<Int32>

@inline(__always) var isaName: StaticString { "avx2" }

/// a·b + c in one rounding.
@inline(__always) func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
  apus_fma_f32x8(a, b, c)
}

/// Half a register. Only where that is half the work, convolutions use it.
typealias HalfVector = SIMD4<Float>
@inline(__always)
func multiplyAdd(_ a: HalfVector, _ b: HalfVector, _ c: HalfVector) -> HalfVector {
  apus_fma_f32x4(a, b, c)
}

/// Keeps loads behind a vector where registers are scarce; not needed here.
@inline(__always) func inOrder(_ v: Vector) -> Vector { v }

/// The first `n` < scalarCount lanes from memory, the rest from `fill`.
@inline(__always)
func loadPart(_ p: UnsafePointer<Float>, _ n: Int, fill: Vector) -> Vector {
  apus_load_part_f32x8(p, n, fill)
}
/// Stores the first `n` < scalarCount lanes.
@inline(__always) func storePart(_ v: Vector, _ p: UnsafeMutablePointer<Float>, _ n: Int) {
  apus_store_part_f32x8(v, p, n)
}

/// a + b, a − b and a · b where Swift's operators do not become vector code: between branches.
@inline(__always) func sum(_ a: Vector, _ b: Vector) -> Vector { apus_sum_f32x8(a, b) }
@inline(__always) func difference(_ a: Vector, _ b: Vector) -> Vector {
  apus_difference_f32x8(a, b)
}
@inline(__always) func product(_ a: Vector, _ b: Vector) -> Vector { apus_product_f32x8(a, b) }
/// √v, correctly rounded.
@inline(__always) func squareRoot(_ v: Vector) -> Vector { apus_sqrt_f32x8(v) }
/// A mask: −1 in the lanes where a < b, 0 elsewhere.
@inline(__always) func less(_ a: Vector, _ b: Vector) -> IntVector { apus_less_f32x8(a, b) }
/// A mask of the lanes where a = b.
@inline(__always) func equal(_ a: Vector, _ b: Vector) -> IntVector { apus_equal_f32x8(a, b) }
/// The lanes of `a` where the mask is −1, of `b` where it is 0.
@inline(__always) func select(_ mask: IntVector, _ a: Vector, _ b: Vector) -> Vector {
  apus_select_f32x8(mask, a, b)
}
/// To the integer at or below, at or above, and to the nearest with halves to even.
@inline(__always) func roundDown(_ v: Vector) -> Vector { apus_floor_f32x8(v) }
@inline(__always) func roundUp(_ v: Vector) -> Vector { apus_ceil_f32x8(v) }
@inline(__always) func roundToEven(_ v: Vector) -> Vector { apus_round_f32x8(v) }

/// Rows of the matrix tile: 6 x 2 accumulators, 2 of B and 1 broadcast: 15 of 16 registers.
@inline(__always) var tileRows: Int { 6 }
/// Rows of the two smaller tiles, for what is left of a matrix.
@inline(__always) var middleTileRows: Int { 4 }
@inline(__always) var smallTileRows: Int { 2 }
/// Accumulators of each tile: rows times two vectors, and rows times one.
typealias WideTile = InlineArray<12, Vector>
typealias NarrowTile = InlineArray<6, Vector>
typealias MiddleWideTile = InlineArray<8, Vector>
typealias MiddleNarrowTile = InlineArray<4, Vector>
typealias SmallWideTile = InlineArray<4, Vector>
typealias SmallNarrowTile = InlineArray<2, Vector>

/// Positions of the tile of a convolution over channel blocks:
/// 6 x 2 sums, 2 of weights, 1 broadcast: 15 of 16 registers.
@inline(__always) var blockedPositions: Int { 6 }
/// A step of a transposition, on groups of `lanes` lanes: those of a and b with an even number in
/// turns, or those with an odd number.
@inline(__always) func evenGroups(_ a: Vector, _ b: Vector, _ lanes: Int) -> Vector {
  switch lanes {
  case 1: apus_even_1_f32x8(a, b)
  case 2: apus_even_2_f32x8(a, b)
  default: apus_even_4_f32x8(a, b)
  }
}
@inline(__always) func oddGroups(_ a: Vector, _ b: Vector, _ lanes: Int) -> Vector {
  switch lanes {
  case 1: apus_odd_1_f32x8(a, b)
  case 2: apus_odd_2_f32x8(a, b)
  default: apus_odd_4_f32x8(a, b)
  }
}
/// As many vectors as lanes.
typealias VectorSquare = InlineArray<8, Vector>

// Integers (Integer/): what the C functions of VectorIntrinsics.h are called here.
/// Numbers of the depth in a 32-bit word.
@inline(__always) var wordDepth: Int { 2 }
@inline(__always) func dot(_ sum: IntVector, _ lanes: IntVector, _ scalar: Int32) -> IntVector {
  apus_dot_i32x8(sum, lanes, scalar)
}
@inline(__always) func dot(_ sum: IntVector, word: Int32, _ lanes: IntVector) -> IntVector {
  apus_dot_word_i32x8(sum, word, lanes)
}
@inline(__always) func widen(_ p: UnsafePointer<UInt8>) -> IntVector { apus_widen_u8x8(p) }
@inline(__always) func narrow(_ v: IntVector, _ p: UnsafeMutablePointer<UInt8>) {
  apus_narrow_i32x8(v, p)
}
@inline(__always) func real(_ v: IntVector) -> Vector { apus_real_i32x8(v) }
@inline(__always) func quantized(_ v: Vector, _ lower: Float, _ upper: Float) -> IntVector {
  apus_quantize_f32x8(v, lower, upper)
}
@inline(__always)
func requantize(
  _ p: (IntVector, IntVector), _ q: (IntVector, IntVector), _ scale: (Vector, Vector),
  _ c: apus_byte_convolution
) -> IntVector {
  apus_requantize_i32x8(
    p.0, p.1, q.0, q.1, scale.0, scale.1, Int16(truncatingIfNeeded: c.zero),
    UInt8(truncatingIfNeeded: c.lower), UInt8(truncatingIfNeeded: c.upper))
}
@inline(__always)
func storeHalves(
  _ v: IntVector, _ p: UnsafeMutablePointer<UInt8>, _ q: UnsafeMutablePointer<UInt8>
) {
  apus_store_halves_i32x8(v, p, q)
}
@inline(__always)
func storeQuarters(
  _ v: IntVector, _ p: UnsafeMutablePointer<UInt8>, _ q: UnsafeMutablePointer<UInt8>,
  _ r: UnsafeMutablePointer<UInt8>, _ s: UnsafeMutablePointer<UInt8>
) {
  apus_store_quarters_i32x8(v, p, q, r, s)
}
// Of as many channels side by side as there are bytes in a register: the sums are four vectors.
@inline(__always)
func dot(_ sum: IntVector, words: IntVector, _ weights: IntVector) -> IntVector {
  apus_dot_lanes_i32x8(sum, words, weights)
}
@inline(__always) func lowBytes(_ a: IntVector, _ b: IntVector) -> IntVector {
  apus_low_bytes_i32x8(a, b)
}
@inline(__always) func highBytes(_ a: IntVector, _ b: IntVector) -> IntVector {
  apus_high_bytes_i32x8(a, b)
}
@inline(__always) func largerBytes(_ a: IntVector, _ b: IntVector) -> IntVector {
  apus_larger_bytes_i32x8(a, b)
}
@inline(__always) func lowPairs(_ a: IntVector, _ b: IntVector) -> IntVector {
  apus_low_pairs_i32x8(a, b)
}
@inline(__always) func highPairs(_ a: IntVector, _ b: IntVector) -> IntVector {
  apus_high_pairs_i32x8(a, b)
}
@inline(__always)
func requantize(
  _ v0: IntVector, _ v1: IntVector, _ v2: IntVector, _ v3: IntVector,
  _ scales: UnsafePointer<Float>, _ d: apus_byte_windows
) -> IntVector {
  apus_requantize_taps_i32x8(
    v0, v1, v2, v3, scales, Int16(truncatingIfNeeded: d.zero), UInt8(truncatingIfNeeded: d.lower),
    UInt8(truncatingIfNeeded: d.upper))
}
@inline(__always)
func roundedBytes(_ v0: Vector, _ v1: Vector, _ v2: Vector, _ v3: Vector, _ zero: Int32) -> IntVector {
  apus_round_bytes_f32x8(v0, v1, v2, v3, Int16(truncatingIfNeeded: zero))
}
/// Positions of half a tile of a convolution of bytes.
@inline(__always) var bytePositions: Int { 3 }

@c(kernels_fill_avx2) public func fillKernels(_ table: UnsafeMutablePointer<apus_kernels>) {
  kernels_fill_baseline(table)
  fill(table)
  fillBytes(table)
}
