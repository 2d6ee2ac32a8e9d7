import CKernels

/// One channel block: y = the maximum under the window, padding left out.
func blockedMaxPool(
  _ window: UnsafePointer<apus_window>, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
  _ firstRow: Int, _ endRow: Int
) {
  let least = Vector(repeating: -Float.infinity)
  slideBlock(
    window.pointee, .maximum, x, nil, start: least, y, firstRow, endRow, rowValue: { _, _ in 0 }
  ) { maximum, _, _ in maximum }
}

/// One channel block: y = the mean under the window, of the elements inside the input or, with
/// `includesPadding`, inside the padded input.
func blockedAveragePool(
  _ window: UnsafePointer<apus_window>, _ includesPadding: Bool, _ x: UnsafePointer<Float>,
  _ y: UnsafeMutablePointer<Float>, _ firstRow: Int, _ endRow: Int
) {
  let w = window.pointee
  slideBlock(
    w, .sum, x, nil, start: Vector(), y, firstRow, endRow,
    rowValue: { row, slice in windowSize(w, row, slice, includesPadding) }
  ) { sum, column, size in
    sum / Vector(repeating: Float(size &* windowWidth(w, column, includesPadding)))
  }
}
