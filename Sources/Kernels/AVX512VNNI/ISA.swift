import CKernels

// Float kernels gain nothing from VNNI: the table is that of the AVX-512 module, whose code would
// otherwise stand in the library twice, but for what multiplies 8-bit integers.

typealias Vector = SIMD16<Float>
typealias IntVector = SIMD16<Int32>

private var isaName: StaticString { "avx512vnni" }

// Integers (Integer/): what the C functions of VectorIntrinsics.h are called here.
/// Numbers of the depth in a 32-bit word, and the bits of each.
@inline(__always) var wordDepth: Int { 4 }
@inline(__always) var wordBits: Int32 { 8 }
@inline(__always) func dot(_ sum: IntVector, _ lanes: IntVector, _ scalar: Int32) -> IntVector {
  apus_dot_i32x16(sum, lanes, scalar)
}
@inline(__always) func widen(_ p: UnsafePointer<UInt8>) -> IntVector { apus_widen_u8x16(p) }
@inline(__always) func widenEven(_ p: UnsafePointer<UInt8>) -> IntVector { apus_even_u8x16(p) }
@inline(__always) func inside(
  _ v: IntVector, _ first: Int32, _ step: Int32, _ width: UInt32, _ fill: IntVector
) -> IntVector {
  apus_inside_i32x16(v, first, step, width, fill)
}
@inline(__always) func narrow(_ v: IntVector, _ p: UnsafeMutablePointer<UInt8>) {
  apus_narrow_i32x16(v, p)
}
@inline(__always) func real(_ v: IntVector) -> Vector { apus_real_i32x16(v) }
@inline(__always) func quantized(_ v: Vector, _ lower: Float, _ upper: Float) -> IntVector {
  apus_quantize_f32x16(v, lower, upper)
}
/// Rows of the larger two of the three integer tiles, each with two vectors of columns;
/// accumulators.
@inline(__always) var integerTileRows: Int { 12 }
@inline(__always) var smallIntegerTileRows: Int { 4 }
typealias IntegerTile = InlineArray<24, IntVector>
typealias SmallIntegerTile = InlineArray<8, IntVector>

@c(kernels_fill_avx512vnni) public func fillKernels(_ table: UnsafeMutablePointer<apus_kernels>) {
  kernels_fill_avx512(table)
  table.pointee.name = UnsafeRawPointer(isaName.utf8Start).assumingMemoryBound(to: CChar.self)
  fillIntegers(table)
}
