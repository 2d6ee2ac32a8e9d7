import CKernels

// Float kernels gain nothing from VNNI: the table is that of the AVX-512 module, whose code would
// otherwise stand in the library twice, but for what multiplies 8-bit integers.

typealias Vector = SIMD16<Float>
typealias IntVector = SIMD16<Int32>

private var isaName: StaticString { "avx512vnni" }

/// Numbers of the depth in a 32-bit word.
@inline(__always) var wordDepth: Int { 4 }

@c(kernels_fill_avx512vnni) public func fillKernels(_ table: UnsafeMutablePointer<apus_kernels>) {
  kernels_fill_avx512(table)
  table.pointee.name = UnsafeRawPointer(isaName.utf8Start).assumingMemoryBound(to: CChar.self)
  fillBytes(table)
}
