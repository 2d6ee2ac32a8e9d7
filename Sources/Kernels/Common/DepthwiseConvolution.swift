import CKernels

/// One channel: y = clip(bias + Σ weights[tap] · x[under tap]); see `CKernels.h`.
func depthwiseConvolution(
  _ window: UnsafePointer<apus_window>, _ x: UnsafePointer<Float>,
  _ weights: UnsafePointer<Float>, _ bias: Float, _ lower: Float, _ upper: Float,
  _ y: UnsafeMutablePointer<Float>, _ firstRow: Int, _ endRow: Int
) {
  let w = window.pointee
  let low = Vector(repeating: lower)
  let high = Vector(repeating: upper)
  slideWindow(w, .multiplyAdd, x, weights, start: bias, fill: 0, firstRow, endRow) {
    sums, column, columns, row, slice in
    var i = 0
    while i < columns {
      let v = clip(loadVector(sums + i), low, high)
      finishVector(
        v, y + ((slice &* w.output_height &+ row) &* w.output_width &+ column &+ i), columns &- i)
      i &+= Vector.scalarCount
    }
  }
}

/// Stores the first `n` lanes, at most all.
@inline(__always)
func finishVector(_ v: Vector, _ y: UnsafeMutablePointer<Float>, _ n: Int) {
  if n >= Vector.scalarCount {
    storeVector(v, y)
    return
  }
  var lane = 0
  while lane < n {
    y[lane] = v[lane]
    lane &+= 1
  }
}
