import CKernels

// Float kernels gain nothing from VNNI: the table is that of the AVX-512 module, whose code would
// otherwise stand in the library twice, but for what multiplies 8-bit integers.

typealias Vector = SIMD16<Float>
typealias IntVector = SIMD16<Int32>

private var isaName: StaticString { "avx512vnni" }

// Integers: Integer512/ has what both AVX-512 modules call alike.
/// Numbers of the depth in a 32-bit word, and the bits of each.
@inline(__always) var wordDepth: Int { 4 }
@inline(__always) var wordBits: Int32 { 8 }

@c(kernels_fill_avx512vnni) public func fillKernels(_ table: UnsafeMutablePointer<apus_kernels>) {
  kernels_fill_avx512(table)
  table.pointee.name = UnsafeRawPointer(isaName.utf8Start).assumingMemoryBound(to: CChar.self)
  fillBytes(table)
}
