// Loads and stores of whole and partial vectors.

@inline(__always) func loadVector(_ p: UnsafePointer<Float>) -> Vector {
  UnsafeRawPointer(p).loadUnaligned(as: Vector.self)
}

@inline(__always) func storeVector(_ v: Vector, _ p: UnsafeMutablePointer<Float>) {
  UnsafeMutableRawPointer(p).storeBytes(of: v, as: Vector.self)
}

/// Copies `n` floats, none of them beyond the end.
@inline(__always)
func copyFloats(
  _ source: UnsafePointer<Float>, _ destination: UnsafeMutablePointer<Float>, _ n: Int
) {
  var i = 0
  while i &+ Vector.scalarCount <= n {
    storeVector(loadVector(source + i), destination + i)
    i &+= Vector.scalarCount
  }
  while i &+ 4 <= n {
    UnsafeMutableRawPointer(destination + i).storeBytes(
      of: UnsafeRawPointer(source + i).loadUnaligned(as: SIMD4<Float>.self), as: SIMD4<Float>.self)
    i &+= 4
  }
  while i < n {
    destination[i] = source[i]
    i &+= 1
  }
}

/// v within lower...upper; NaN stays NaN.
@inline(__always) func clip(_ v: Vector, _ lower: Vector, _ upper: Vector) -> Vector {
  let raised = v.replacing(with: lower, where: v .< lower)
  return raised.replacing(with: upper, where: raised .> upper)
}
