/// y[i] = low byte of (zero + clip(round(x[i] / scale), lower, upper)).
func quantize(
  _ x: UnsafePointer<Float>, _ n: Int, _ scale: Float, _ zero: Int32, _ lower: Float,
  _ upper: Float, _ y: UnsafeMutablePointer<UInt8>
) {
  let divisor = Vector(repeating: scale)
  var i = 0
  while i < n {
    let left = n &- i
    let v = left >= Vector.scalarCount ? loadVector(x + i) : loadPart(x + i, left)
    storeBytes(quantized(v / divisor, lower, upper) &+ IntVector(repeating: zero), y + i, left)
    i &+= Vector.scalarCount
  }
}

/// y[i] = ((x[i] ^ flip) − zero) · scale.
func dequantize(
  _ x: UnsafePointer<UInt8>, _ n: Int, _ flip: Int, _ zero: Int32, _ scale: Float,
  _ y: UnsafeMutablePointer<Float>
) {
  let flips = IntVector(repeating: Int32(truncatingIfNeeded: flip))
  let zeros = IntVector(repeating: zero)
  let scales = Vector(repeating: scale)
  var i = 0
  while i &+ Vector.scalarCount <= n {
    storeVector(real((widen(x + i) ^ flips) &- zeros) * scales, y + i)
    i &+= Vector.scalarCount
  }
  while i < n {
    y[i] = Float(Int32(truncatingIfNeeded: Int(x[i]) ^ flip) &- zero) * scale
    i &+= 1
  }
}

/// Stores the low byte of the first `n` lanes.
@inline(__always)
func storeBytes(_ v: IntVector, _ y: UnsafeMutablePointer<UInt8>, _ n: Int) {
  if n >= IntVector.scalarCount {
    narrow(v, y)
    return
  }
  var part = InlineArray<16, UInt8>(repeating: 0)
  withUnsafeMutableBytes(of: &part) { bytes in
    let lanes = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
    narrow(v, lanes)
    var i = 0
    while i < n {
      y[i] = lanes[i]
      i &+= 1
    }
  }
}
