// Loads and stores of whole and partial vectors.

@inline(__always) func loadVector(_ p: UnsafePointer<Float>) -> Vector {
  UnsafeRawPointer(p).loadUnaligned(as: Vector.self)
}

@inline(__always) func loadHalf(_ p: UnsafePointer<Float>) -> HalfVector {
  UnsafeRawPointer(p).loadUnaligned(as: HalfVector.self)
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
  if Vector.scalarCount == 16 {
    if i < n { storePart(loadPart(source + i, n &- i), destination + i, n &- i) }
    return
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

/// Copies a block of rows x columns.
@inline(__always)
func copyTile(
  _ source: UnsafePointer<Float>, _ sourceStride: Int, _ destination: UnsafeMutablePointer<Float>,
  _ destinationStride: Int, _ rows: Int, _ columns: Int
) {
  var r = 0
  while r < rows {
    copyFloats(source + r &* sourceStride, destination + r &* destinationStride, columns)
    r &+= 1
  }
}

/// v within lower...upper; NaN stays NaN.
@inline(__always) func clip(_ v: Vector, _ lower: Vector, _ upper: Vector) -> Vector {
  let raised = select(less(v, lower), lower, v)
  return select(less(upper, raised), upper, raised)
}

/// The first `n` < scalarCount lanes from memory, the rest 0.
@inline(__always) func loadPart(_ p: UnsafePointer<Float>, _ n: Int) -> Vector {
  loadPart(p, n, fill: Vector(repeating: 0))
}

/// y[i] = f(x[i]). In place allowed. The tail goes through the same vector code, so that an
/// element's bits do not depend on where it stands.
@inline(__always)
func mapVectors(
  _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int, _ f: (Vector) -> Vector
) {
  var i = 0
  while i < n {
    let left = n &- i
    if left >= Vector.scalarCount {
      storeVector(f(loadVector(x + i)), y + i)
    } else {
      storePart(f(loadPart(x + i, left)), y + i, left)
    }
    i &+= Vector.scalarCount
  }
}
