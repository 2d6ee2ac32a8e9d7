import CKernels

/// The vector register of this instruction set.
typealias Vector = SIMD8<Float>
/// Its lanes as integers, for exponent arithmetic.
typealias IntVector = SIMD8<Int32>

@inline(__always) var isaName: StaticString { "avx2" }

/// a·b + c in one rounding.
@inline(__always) func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
  c.addingProduct(a, b)
}

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

@c(kernels_fill_avx2) public func fillKernels(_ table: UnsafeMutablePointer<apus_kernels>) {
  fill(table)
}
