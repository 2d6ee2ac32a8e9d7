import CKernels

/// The vector register of this instruction set.
typealias Vector = SIMD4<Float>
/// Its lanes as integers, for exponent arithmetic.
typealias IntVector = SIMD4<Int32>

@inline(__always) var isaName: StaticString { "baseline" }

/// a·b + c, in two roundings: x86-64 has no fused instruction, and emulating one costs a call per
/// lane.
@inline(__always) func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
  a * b + c
}

/// Rows of the matrix tile: 4 x 2 accumulators, 2 of B, 1 broadcast and its product: 12 of 16 registers.
@inline(__always) var tileRows: Int { 4 }
/// Rows of the two smaller tiles, for what is left of a matrix.
@inline(__always) var middleTileRows: Int { 2 }
@inline(__always) var smallTileRows: Int { 1 }
/// Accumulators of each tile: rows times two vectors, and rows times one.
typealias WideTile = InlineArray<8, Vector>
typealias NarrowTile = InlineArray<4, Vector>
typealias MiddleWideTile = InlineArray<4, Vector>
typealias MiddleNarrowTile = InlineArray<2, Vector>
typealias SmallWideTile = InlineArray<2, Vector>
typealias SmallNarrowTile = InlineArray<1, Vector>

@c(kernels_fill_baseline) public func fillKernels(_ table: UnsafeMutablePointer<apus_kernels>) {
  fill(table)
}
