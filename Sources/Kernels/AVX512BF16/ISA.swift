import CKernels

// Matrix kernels on bf16: a 32-bit word holds two neighbours of the depth, and one instruction adds
// the products of both to a float32 sum. The kernels of Common/ that only broadcast words, multiply
// and add take them for floats, with half of the depth; they never look into one.
//
// The instruction (vdpbf16ps) takes denormal numbers for zero, gives zero for denormal sums, and
// rounds to the nearest whatever the processor's mode. So does the conversion to bf16.

typealias Vector = SIMD16<Float>
typealias IntVector = SIMD16<Int32>
typealias HalfVector = SIMD8<Float>

/// c + the two products of each word's halves.
@inline(__always) func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
  apus_dot_bf16x32(a, b, c)
}

@inline(__always) func inOrder(_ v: Vector) -> Vector { apus_in_order_f32x16(v) }

@inline(__always)
func loadPart(_ p: UnsafePointer<Float>, _ n: Int, fill: Vector) -> Vector {
  apus_load_part_f32x16(p, n, fill)
}
@inline(__always) func storePart(_ v: Vector, _ p: UnsafeMutablePointer<Float>, _ n: Int) {
  apus_store_part_f32x16(v, p, n)
}
@inline(__always) func less(_ a: Vector, _ b: Vector) -> IntVector { apus_less_f32x16(a, b) }
@inline(__always) func select(_ mask: IntVector, _ a: Vector, _ b: Vector) -> Vector {
  apus_select_f32x16(mask, a, b)
}

/// As in AVX512/ISA.swift.
@inline(__always) var tileRows: Int { 12 }
@inline(__always) var middleTileRows: Int { 8 }
@inline(__always) var smallTileRows: Int { 4 }
typealias WideTile = InlineArray<24, Vector>
typealias NarrowTile = InlineArray<12, Vector>
typealias MiddleWideTile = InlineArray<16, Vector>
typealias MiddleNarrowTile = InlineArray<8, Vector>
typealias SmallWideTile = InlineArray<8, Vector>
typealias SmallNarrowTile = InlineArray<4, Vector>
/// A block of 16 channels.
@inline(__always) var blockedLanes: Int { 8 }

@c(kernels_fill_bf16) public func fillKernels(_ table: UnsafeMutablePointer<apus_kernels>) {
  table.pointee.word_depth = 2
  table.pointee.gemm_pack = { gemmPack($0!, $1, $2, $3, $4, $5, $6!) }
  table.pointee.gemm = { gemm($0!) }
  table.pointee.gemv = { (product, _, isBackwards) in gemv(product!, isBackwards) }
  table.pointee.blocked_convolve = { blockedConvolve($0!, $1!, $2!, $3, $4, $5!) }
  table.pointee.blocked_packed_count = { blockedPackedCount($0, $1, $2) }
  table.pointee.blocked_pack = { blockedPack($0!, $1, $2, $3, $4, $5, $6!, $7!) }
  table.pointee.blocked_band = { blockedBand($0!, $1!, $2!) }
}
