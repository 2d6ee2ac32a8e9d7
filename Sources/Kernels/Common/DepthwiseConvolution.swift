import CKernels

/// One channel: y = clip(bias + Σ weights[tap] · x[under tap]); see `CKernels.h`.
func depthwiseConvolution(
  _ window: UnsafePointer<apus_window>, _ x: UnsafePointer<Float>,
  _ weights: UnsafePointer<Float>, _ bias: Float, _ lower: Float, _ upper: Float,
  _ y: UnsafeMutablePointer<Float>, _ firstRow: Int, _ endRow: Int
) {
  slideWindow(
    window.pointee, .multiplyAdd, false, x, weights, start: bias, fill: 0, lower, upper, y,
    firstRow, endRow)
}
