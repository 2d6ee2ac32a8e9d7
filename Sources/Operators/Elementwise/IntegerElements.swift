import ModelFormat

// Integers (and bool) are computed with in int64, a chunk of elements at a time: so an operator has
// one loop for all element types. Storing keeps the low bits, which is what arithmetic in the type
// itself would have left.

/// Elements of a chunk.
var chunkCount: Int { 64 }
typealias IntegerChunk = InlineArray<64, Int64>
typealias RealChunk = InlineArray<64, Float>

/// v[i] = p[i·step] for n ≤ chunkCount elements of an integer type; true counts as 1.
@inline(never)
func loadIntegers(
  _ p: UnsafeRawPointer, _ type: DataType, step: Int = 1, _ n: Int, _ v: inout IntegerChunk
) {
  switch type {
  case .int8: widen(p, step, n, &v, Int8.self)
  case .uint8: widen(p, step, n, &v, UInt8.self)
  case .int32: widen(p, step, n, &v, Int32.self)
  case .int64: widen(p, step, n, &v, Int64.self)
  default:
    widen(p, step, n, &v, UInt8.self)
    for i in 0..<n where v[i] != 0 { v[i] = 1 }
  }
}

@inline(__always)
private func widen<T: FixedWidthInteger & BitwiseCopyable>(
  _ p: UnsafeRawPointer, _ step: Int, _ n: Int, _ v: inout IntegerChunk, _ type: T.Type
) {
  let size = MemoryLayout<T>.size
  var i = 0
  while i < n {
    v[i] = Int64(truncatingIfNeeded: p.loadUnaligned(fromByteOffset: i &* step &* size, as: T.self))
    i &+= 1
  }
}

/// p[i] = v[i], the low bits; for bool whether it is anything but 0.
@inline(never)
func storeIntegers(
  _ v: borrowing IntegerChunk, _ p: UnsafeMutableRawPointer, _ type: DataType, _ n: Int
) {
  var i = 0
  while i < n {
    let k = v[i]
    switch type.size {
    case 8: p.storeBytes(of: k, toByteOffset: i &* 8, as: Int64.self)
    case 4: p.storeBytes(of: Int32(truncatingIfNeeded: k), toByteOffset: i &* 4, as: Int32.self)
    default:
      let byte = type == .bool ? (k != 0 ? 1 : 0) : UInt8(truncatingIfNeeded: k)
      p.storeBytes(of: byte, toByteOffset: i, as: UInt8.self)
    }
    i &+= 1
  }
}

/// The integer nearest to f without its fraction: beyond the type's range its nearest end, 0 for
/// NaN.
@inline(__always)
func saturated<I: FixedWidthInteger>(_ f: Float, _ type: I.Type) -> I {
  if f != f { return 0 }
  // Both bounds are powers of two (or one less, which rounds up to one): exact as floats.
  if f >= Float(I.max) { return I.max }
  if f <= Float(I.min) { return I.min }
  return I(truncatingIfNeeded: Int64(f))
}
