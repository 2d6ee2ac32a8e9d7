// Numbers of 8 bits are computed with in float32, a chunk of elements at a time: so there is one loop
// for both types and every step between elements.

enum ByteChunk {
  /// Elements of a chunk.
  static var count: Int { 64 }
}

/// Calls `body` with a chunk on the stack.
@inline(__always) func withByteChunk(_ body: (UnsafeMutablePointer<Float>) -> Void) {
  var elements = InlineArray<64, Float>(repeating: 0)
  withUnsafeMutableBytes(of: &elements) {
    body($0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self))
  }
}

/// v[i] = the number of p[i · step], for n elements of a type that `flip` belongs to.
@inline(never)
func loadBytes(
  _ p: UnsafePointer<UInt8>, step: Int, _ flip: Int32, _ n: Int, _ v: UnsafeMutablePointer<Float>
) {
  if step == 1 {
    for i in 0..<n { v[i] = p[i].number(flip) }
  } else {
    for i in 0..<n { v[i] = p[i &* step].number(flip) }
  }
}

/// p[i] = v[i], rounded, for n elements.
@inline(never)
func storeBytes(
  _ v: UnsafePointer<Float>, _ rounding: ByteRounding, _ n: Int, _ p: UnsafeMutablePointer<UInt8>
) {
  for i in 0..<n { p[i] = rounding.byte(v[i]) }
}
