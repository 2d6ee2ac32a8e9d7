import CKernels

/// One channel block: y = clip(bias + Σ weights[tap] · x[under tap]); see `CKernels.h`.
func blockedDepthwise(
  _ window: UnsafePointer<apus_window>, _ x: UnsafePointer<Float>,
  _ weights: UnsafePointer<Float>, _ bias: UnsafePointer<Float>?, _ lower: Float, _ upper: Float,
  _ y: UnsafeMutablePointer<Float>, _ firstRow: Int, _ endRow: Int
) {
  let low = Vector(repeating: lower)
  let high = Vector(repeating: upper)
  let start = bias.map { loadVector($0) } ?? Vector()
  slideBlock(
    window.pointee, .multiplyAdd, x, weights, start: start, y, firstRow, endRow
  ) { sum, _, _, _ in clip(sum, low, high) }
}
