import CKernels

/// The vector register of this instruction set.
typealias Vector = SIMD16<Float>
/// Its lanes as integers, for exponent arithmetic.
typealias IntVector = SIMD16<Int32>

@inline(__always) var isaName: StaticString { "avx512" }

/// a·b + c in one rounding.
@inline(__always) func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
  apus_fma_f32x16(a, b, c)
}

/// Half a register. Only where that is half the work, convolutions use it.
typealias HalfVector = SIMD8<Float>
@inline(__always)
func multiplyAdd(_ a: HalfVector, _ b: HalfVector, _ c: HalfVector) -> HalfVector {
  apus_fma_f32x8(a, b, c)
}

/// The vector as it is; loads that follow are not moved before it.
@inline(__always) func inOrder(_ v: Vector) -> Vector { apus_in_order_f32x16(v) }

/// The first `n` < scalarCount lanes from memory, the rest from `fill`.
@inline(__always)
func loadPart(_ p: UnsafePointer<Float>, _ n: Int, fill: Vector) -> Vector {
  apus_load_part_f32x16(p, n, fill)
}
/// Stores the first `n` < scalarCount lanes.
@inline(__always) func storePart(_ v: Vector, _ p: UnsafeMutablePointer<Float>, _ n: Int) {
  apus_store_part_f32x16(v, p, n)
}

/// a + b, a − b and a · b where Swift's operators do not become vector code: between branches.
@inline(__always) func sum(_ a: Vector, _ b: Vector) -> Vector { apus_sum_f32x16(a, b) }
@inline(__always) func difference(_ a: Vector, _ b: Vector) -> Vector {
  apus_difference_f32x16(a, b)
}
@inline(__always) func product(_ a: Vector, _ b: Vector) -> Vector { apus_product_f32x16(a, b) }
/// √v, correctly rounded.
@inline(__always) func squareRoot(_ v: Vector) -> Vector { apus_sqrt_f32x16(v) }
/// A mask: −1 in the lanes where a < b, 0 elsewhere.
@inline(__always) func less(_ a: Vector, _ b: Vector) -> IntVector { apus_less_f32x16(a, b) }
/// A mask of the lanes where a = b.
@inline(__always) func equal(_ a: Vector, _ b: Vector) -> IntVector { apus_equal_f32x16(a, b) }
/// The lanes of `a` where the mask is −1, of `b` where it is 0.
@inline(__always) func select(_ mask: IntVector, _ a: Vector, _ b: Vector) -> Vector {
  apus_select_f32x16(mask, a, b)
}
/// To the integer at or below, at or above, and to the nearest with halves to even.
@inline(__always) func roundDown(_ v: Vector) -> Vector { apus_floor_f32x16(v) }
@inline(__always) func roundUp(_ v: Vector) -> Vector { apus_ceil_f32x16(v) }
@inline(__always) func roundToEven(_ v: Vector) -> Vector { apus_round_f32x16(v) }

/// Rows of the matrix tile: 12 x 2 accumulators, 2 of B and up to 4 broadcasts: 28 of 32 registers.
@inline(__always) var tileRows: Int { 12 }
/// Rows of the two smaller tiles, for what is left of a matrix.
@inline(__always) var middleTileRows: Int { 8 }
@inline(__always) var smallTileRows: Int { 4 }
/// Accumulators of each tile: rows times two vectors, and rows times one.
typealias WideTile = InlineArray<24, Vector>
typealias NarrowTile = InlineArray<12, Vector>
typealias MiddleWideTile = InlineArray<16, Vector>
typealias MiddleNarrowTile = InlineArray<8, Vector>
typealias SmallWideTile = InlineArray<8, Vector>
typealias SmallNarrowTile = InlineArray<4, Vector>

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

// Integers: Integer512/ has what both AVX-512 modules call alike.
/// Numbers of the depth in a 32-bit word, and the bits of each.
@inline(__always) var wordDepth: Int { 2 }
@inline(__always) var wordBits: Int32 { 16 }

@c(kernels_fill_avx512) public func fillKernels(_ table: UnsafeMutablePointer<apus_kernels>) {
  // Without VNNI, products of integers are no faster in wider vectors, whose panels fill the cache
  // (measured: 20 % to 55 % slower, but for depthwise convolutions): they stay those of AVX2.
  kernels_fill_avx2(table)
  fill(table)
}
