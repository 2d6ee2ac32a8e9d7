import CKernels

// Float kernels gain nothing from VNNI: the table is that of the AVX-512 module, whose code would
// otherwise stand in the library twice. What multiplies 8-bit integers goes in here.

private var isaName: StaticString { "avx512vnni" }

@c(kernels_fill_avx512vnni) public func fillKernels(_ table: UnsafeMutablePointer<apus_kernels>) {
  kernels_fill_avx512(table)
  table.pointee.name = UnsafeRawPointer(isaName.utf8Start).assumingMemoryBound(to: CChar.self)
}
