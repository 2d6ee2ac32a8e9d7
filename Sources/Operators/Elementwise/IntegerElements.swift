import ModelFormat

// Integers (and bool) are computed with in int64, a chunk of elements at a time: so an operator has
// one loop for all element types. Storing keeps the low bits, which is what arithmetic in the type
// itself would have left.

/// Elements of a chunk.
var chunkCount: Int { 64 }
typealias IntegerChunk = UnsafeMutablePointer<Int64>

/// Calls `body` with a chunk on the stack.
@inline(__always) func withIntegerChunk(_ body: (IntegerChunk) -> Void) {
  var elements = InlineArray<64, Int64>(repeating: 0)
  withUnsafeMutableBytes(of: &elements) {
    body($0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Int64.self))
  }
}

/// The one element of an integer type at p.
func loadInteger(_ p: UnsafeRawPointer, _ type: DataType) -> Int64 {
  var value: Int64 = 0
  loadIntegers(p, type, 1, &value)
  return value
}

/// v[i] = p[i·step] for n ≤ chunkCount elements of an integer type; true counts as 1.
@inline(never)
func loadIntegers(
  _ p: UnsafeRawPointer, _ type: DataType, step: Int = 1, _ n: Int, _ v: IntegerChunk
) {
  switch type {
  case .int8: widen(p.assumingMemoryBound(to: Int8.self), step, n, v)
  case .uint8: widen(p.assumingMemoryBound(to: UInt8.self), step, n, v)
  case .int32: widen(p.assumingMemoryBound(to: Int32.self), step, n, v)
  case .int64: widen(p.assumingMemoryBound(to: Int64.self), step, n, v)
  default:
    widen(p.assumingMemoryBound(to: UInt8.self), step, n, v)
    mapChunk(v, n) { $0 == 0 ? 0 : 1 }
  }
}

@inline(__always)
private func widen<T: FixedWidthInteger>(
  _ p: UnsafePointer<T>, _ step: Int, _ n: Int, _ v: IntegerChunk
) {
  var i = 0
  while i < n {
    v[i] = Int64(truncatingIfNeeded: p[i &* step])
    i &+= 1
  }
}

/// p[i] = v[i], the low bits; for bool whether it is anything but 0. What v holds afterwards is
/// unspecified.
@inline(never)
func storeIntegers(_ v: IntegerChunk, _ p: UnsafeMutableRawPointer, _ type: DataType, _ n: Int) {
  switch type {
  case .bool:
    mapChunk(v, n) { $0 == 0 ? 0 : 1 }
    narrow(v, p.assumingMemoryBound(to: UInt8.self), n)
  case .int64: narrow(v, p.assumingMemoryBound(to: Int64.self), n)
  case .int32: narrow(v, p.assumingMemoryBound(to: Int32.self), n)
  default: narrow(v, p.assumingMemoryBound(to: UInt8.self), n)
  }
}

@inline(__always)
private func narrow<T: FixedWidthInteger>(
  _ v: IntegerChunk, _ p: UnsafeMutablePointer<T>, _ n: Int
) {
  var i = 0
  while i < n {
    p[i] = T(truncatingIfNeeded: v[i])
    i &+= 1
  }
}

/// v[i] = f(v[i]).
@inline(__always) func mapChunk(_ v: IntegerChunk, _ n: Int, _ f: (Int64) -> Int64) {
  var i = 0
  while i < n {
    v[i] = f(v[i])
    i &+= 1
  }
}

/// u[i] = f(u[i], v[i]).
@inline(__always)
func mapChunks(_ u: IntegerChunk, _ v: IntegerChunk, _ n: Int, _ f: (Int64, Int64) -> Int64) {
  var i = 0
  while i < n {
    u[i] = f(u[i], v[i])
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
