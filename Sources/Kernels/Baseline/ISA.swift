import CKernels

/// The vector register of this instruction set.
typealias Vector = SIMD4<Float>
/// Its lanes as integers, for exponent arithmetic.
typealias IntVector = SIMD4<Int32>

@inline(__always) var isaName: StaticString { "baseline" }

/// a·b + c, in two roundings: x86-64 has no fused instruction, and emulating one costs a call per lane.
@inline(__always) func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
  a * b + c
}

@c(kernels_fill_baseline) public func fillKernels(_ table: UnsafeMutablePointer<apus_kernels>) {
  fill(table)
}
