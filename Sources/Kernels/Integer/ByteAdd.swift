import CKernels

/// See `apus_byte_sum`.
func byteAdd(
  _ sum: UnsafePointer<apus_byte_sum>, _ a: UnsafePointer<UInt8>, _ b: UnsafePointer<UInt8>,
  _ y: UnsafeMutablePointer<UInt8>, _ n: Int
) {
  let s = sum.pointee
  let chunk = 4 &* IntVector.scalarCount
  // For what is left in the end, which is less than a chunk.
  var room = (IntVector(repeating: 0), IntVector(repeating: 0))
  withUnsafeMutableBytes(of: &room) { bytes in
    let rest = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
    var i = 0
    while i < n {
      var (pa, pb) = (a + i, b + i)
      if n &- i < chunk {
        var k = 0
        while i &+ k < n {
          rest[k] = pa[k]
          rest[chunk &+ k] = pb[k]
          k &+= 1
        }
        (pa, pb) = (UnsafePointer(rest), UnsafePointer(rest + chunk))
      }
      storeChunk(chunkSum(s, loadBytes(pa), loadBytes(pb)), y, i, n)
      i &+= chunk
    }
  }
}

@inline(__always)
private func chunkSum(_ s: apus_byte_sum, _ a: IntVector, _ b: IntVector) -> IntVector {
  let none = IntVector(repeating: 0)
  let zeros = IntVector(repeating: s.zero)
  let aRatio = Vector(repeating: s.a_ratio)
  let bRatio = Vector(repeating: s.b_ratio)
  let fixed = Vector(repeating: s.fixed)
  let (aLow, aHigh) = (lowBytes(a, none), highBytes(a, none))
  let (bLow, bHigh) = (lowBytes(b, none), highBytes(b, none))

  @inline(__always) func add(_ a: IntVector, _ b: IntVector) -> Vector {
    real(a &- zeros) * aRatio + (real(b &- zeros) * bRatio + fixed)
  }
  return roundedBytes(
    add(lowPairs(aLow, none), lowPairs(bLow, none)),
    add(highPairs(aLow, none), highPairs(bLow, none)),
    add(lowPairs(aHigh, none), lowPairs(bHigh, none)),
    add(highPairs(aHigh, none), highPairs(bHigh, none)), s.zero)
}
