// Softmax over adjacent elements and down columns. The greatest element is subtracted first, so
// that nothing overflows.

@inline(__always) private func all(_ x: Float) -> Vector { Vector(repeating: x) }

/// y = e^(x − m) / Σ e^(x − m), m = max x, over n adjacent elements; or x − m − log Σ e^(x − m).
func softmaxRow(
  _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int, _ logarithm: Bool
) {
  let maximum = maximumRow(x, n)
  let shift = all(maximum)
  if logarithm {
    let logSum = log(all(expSumRow(x, n, maximum)))
    mapVectors(x, y, n) { ($0 - shift) - logSum }
  } else {
    mapVectors(x, y, n) { exp($0 - shift) }
    let factor = all(1) / all(sumRow(y, n))
    mapVectors(y, y, n) { $0 * factor }
  }
}

/// The same down each column; n rows, `stride` apart.
func softmaxColumns(
  _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int, _ stride: Int,
  _ columns: Int, _ logarithm: Bool
) {
  var c = 0
  while c < columns {
    let left = columns &- c
    if left >= Vector.scalarCount {
      softmaxVector(x + c, y + c, n, stride, logarithm, { loadVector($0) }, { storeVector($0, $1) })
    } else {
      softmaxVector(
        x + c, y + c, n, stride, logarithm, { loadPart($0, left) }, { storePart($0, $1, left) })
    }
    c &+= Vector.scalarCount
  }
}

@inline(__always)
private func softmaxVector(
  _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ n: Int, _ stride: Int,
  _ logarithm: Bool, _ load: (UnsafePointer<Float>) -> Vector,
  _ store: (Vector, UnsafeMutablePointer<Float>) -> Void
) {
  var greatest = all(-.infinity)
  var k = 0
  while k < n {
    greatest = maximum(greatest, load(x + k &* stride))
    k &+= 1
  }
  var sum = all(0)
  k = 0
  while k < n {
    let e = exp(load(x + k &* stride) - greatest)
    if !logarithm { store(e, y + k &* stride) }
    sum += e
    k &+= 1
  }
  let last = logarithm ? log(sum) : all(1) / sum
  k = 0
  while k < n {
    if logarithm {
      store((load(x + k &* stride) - greatest) - last, y + k &* stride)
    } else {
      store(load(y + k &* stride) * last, y + k &* stride)
    }
    k &+= 1
  }
}
