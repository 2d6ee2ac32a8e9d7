import CKernels

// Functions of two arguments over arrays, either of which may be one repeated element.

/// y[i] = f(a[i·aStep], b[i·bStep]) with steps of 0 or 1. y may be a or b where its step is 1.
@inline(__always)
private func mapPairs(
  _ a: UnsafePointer<Float>, _ aStep: Int, _ b: UnsafePointer<Float>, _ bStep: Int,
  _ y: UnsafeMutablePointer<Float>, _ n: Int, _ f: (Vector, Vector) -> Vector
) {
  let aScalar = Vector(repeating: a[0])
  let bScalar = Vector(repeating: b[0])
  var i = 0
  while i < n {
    let left = n &- i
    if left >= Vector.scalarCount {
      let u = aStep == 0 ? aScalar : loadVector(a + i)
      let v = bStep == 0 ? bScalar : loadVector(b + i)
      storeVector(f(u, v), y + i)
    } else {
      let u = aStep == 0 ? aScalar : loadPart(a + i, left)
      let v = bStep == 0 ? bScalar : loadPart(b + i, left)
      storePart(f(u, v), y + i, left)
    }
    i &+= Vector.scalarCount
  }
}

/// The smaller of the two; NaN where either is.
@inline(__always) func minimum(_ a: Vector, _ b: Vector) -> Vector {
  select(equal(b, b), select(less(b, a), b, a), b)
}

/// The greater of the two; NaN where either is.
@inline(__always) func maximum(_ a: Vector, _ b: Vector) -> Vector {
  select(equal(b, b), select(less(a, b), b, a), b)
}

/// y[i] = f(a[i·aStep], b[i·bStep]) for one of APUS_BINARY_….
func binary(
  _ f: Int, _ a: UnsafePointer<Float>, _ aStep: Int, _ b: UnsafePointer<Float>, _ bStep: Int,
  _ y: UnsafeMutablePointer<Float>, _ n: Int
) {
  if n <= 0 { return }
  switch f {
  case APUS_BINARY_ADD: mapPairs(a, aStep, b, bStep, y, n) { $0 + $1 }
  case APUS_BINARY_SUB: mapPairs(a, aStep, b, bStep, y, n) { $0 - $1 }
  case APUS_BINARY_MUL: mapPairs(a, aStep, b, bStep, y, n) { $0 * $1 }
  case APUS_BINARY_DIV: mapPairs(a, aStep, b, bStep, y, n) { $0 / $1 }
  case APUS_BINARY_MIN: mapPairs(a, aStep, b, bStep, y, n) { minimum($0, $1) }
  case APUS_BINARY_MAX: mapPairs(a, aStep, b, bStep, y, n) { maximum($0, $1) }
  case APUS_BINARY_PRELU:
    mapPairs(a, aStep, b, bStep, y, n) { select(less($0, Vector(repeating: 0)), $0 * $1, $0) }
  case APUS_BINARY_POW: powers(a, aStep, b, bStep, y, n)
  default: break
  }
}
