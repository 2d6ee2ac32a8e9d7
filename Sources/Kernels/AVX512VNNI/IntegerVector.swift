import CKernels

// Sixteen 32-bit integers in a register: what the C functions of IntegerIntrinsics.h are called in
// Integer/.

@inline(__always) func dot(_ sum: IntVector, _ lanes: IntVector, _ scalar: Int32) -> IntVector {
  apus_dot_i32x16(sum, lanes, scalar)
}
@inline(__always) func dot(_ sum: IntVector, word: Int32, _ lanes: IntVector) -> IntVector {
  apus_dot_word_i32x16(sum, word, lanes)
}
@inline(__always) func real(_ v: IntVector) -> Vector { apus_real_i32x16(v) }
@inline(__always)
func requantize(
  _ p: (IntVector, IntVector), _ q: (IntVector, IntVector), _ scale: (Vector, Vector),
  _ c: apus_byte_convolution
) -> IntVector {
  apus_requantize_i32x16(
    p.0, p.1, q.0, q.1, scale.0, scale.1, Int16(truncatingIfNeeded: c.zero),
    UInt8(truncatingIfNeeded: c.lower), UInt8(truncatingIfNeeded: c.upper))
}
@inline(__always)
func storeHalves(
  _ v: IntVector, _ p: UnsafeMutablePointer<UInt8>, _ q: UnsafeMutablePointer<UInt8>
) {
  apus_store_halves_i32x16(v, p, q)
}
@inline(__always)
func storeQuarters(
  _ v: IntVector, _ p: UnsafeMutablePointer<UInt8>, _ q: UnsafeMutablePointer<UInt8>,
  _ r: UnsafeMutablePointer<UInt8>, _ s: UnsafeMutablePointer<UInt8>
) {
  apus_store_quarters_i32x16(v, p, q, r, s)
}
// Of as many channels side by side as there are bytes in a register: the sums are four vectors.
@inline(__always)
func dot(_ sum: IntVector, words: IntVector, _ weights: IntVector) -> IntVector {
  apus_dot_lanes_i32x16(sum, words, weights)
}
@inline(__always) func lowBytes(_ a: IntVector, _ b: IntVector) -> IntVector {
  apus_low_bytes_i32x16(a, b)
}
@inline(__always) func highBytes(_ a: IntVector, _ b: IntVector) -> IntVector {
  apus_high_bytes_i32x16(a, b)
}
@inline(__always) func largerBytes(_ a: IntVector, _ b: IntVector) -> IntVector {
  apus_larger_bytes_i32x16(a, b)
}
@inline(__always) func lowPairs(_ a: IntVector, _ b: IntVector) -> IntVector {
  apus_low_pairs_i32x16(a, b)
}
@inline(__always) func highPairs(_ a: IntVector, _ b: IntVector) -> IntVector {
  apus_high_pairs_i32x16(a, b)
}
@inline(__always)
func requantize(
  _ v0: IntVector, _ v1: IntVector, _ v2: IntVector, _ v3: IntVector,
  _ scales: UnsafePointer<Float>, _ d: apus_byte_windows
) -> IntVector {
  apus_requantize_taps_i32x16(
    v0, v1, v2, v3, scales, Int16(truncatingIfNeeded: d.zero), UInt8(truncatingIfNeeded: d.lower),
    UInt8(truncatingIfNeeded: d.upper))
}
@inline(__always)
func roundedBytes(_ v0: Vector, _ v1: Vector, _ v2: Vector, _ v3: Vector, _ zero: Int32) -> IntVector {
  apus_round_bytes_f32x16(v0, v1, v2, v3, Int16(truncatingIfNeeded: zero))
}
/// Positions of half a tile of a convolution of bytes: 14 x 2 sums, 2 of weights, 1 broadcast.
@inline(__always) var bytePositions: Int { 7 }
