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

@c(kernels_fill_avx2) public func fillKernels(_ table: UnsafeMutablePointer<apus_kernels>) {
  fill(table)
}
