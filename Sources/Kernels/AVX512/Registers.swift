import CKernels

// Registers of 512 bits as AVX512 and AVX512BF16 use them alike; what multiplies stands in ISA.swift.

/// The vector register of this instruction set.
typealias Vector = SIMD16<Float>
/// Its lanes as integers, for exponent arithmetic.
typealias IntVector = SIMD16<Int32>

/// Half a register. Only where that is half the work, convolutions use it.
typealias HalfVector = SIMD8<Float>

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

/// A mask: −1 in the lanes where a < b, 0 elsewhere.
@inline(__always) func less(_ a: Vector, _ b: Vector) -> IntVector { apus_less_f32x16(a, b) }
/// The lanes of `a` where the mask is −1, of `b` where it is 0.
@inline(__always) func select(_ mask: IntVector, _ a: Vector, _ b: Vector) -> Vector {
  apus_select_f32x16(mask, a, b)
}

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
