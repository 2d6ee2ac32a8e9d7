import CKernels

// Matrix kernels on bf16: a 32-bit word holds two neighbours of the depth, and one instruction adds
// the products of both to a float32 sum. The kernels of Common/ that only broadcast words, multiply
// and add take them for floats, with half of the depth; they never look into one.
//
// The instruction (vdpbf16ps) takes denormal numbers for zero, gives zero for denormal sums, and
// rounds to the nearest whatever the processor's mode. So does the conversion to bf16.

/// c + the two products of each word's halves.
@inline(__always) func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
  apus_dot_bf16x32(a, b, c)
}

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
