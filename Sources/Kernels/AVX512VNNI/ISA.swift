import CKernels

/// The vector register of this instruction set.
typealias Vector = SIMD16<Float>
/// Its lanes as integers, for exponent arithmetic.
typealias IntVector = SIMD16<Int32>

@inline(__always) var isaName: StaticString { "avx512vnni" }

/// a·b + c in one rounding.
@inline(__always) func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
  c.addingProduct(a, b)
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

@c(kernels_fill_avx512vnni) public func fillKernels(_ table: UnsafeMutablePointer<apus_kernels>) {
  fill(table)
}
