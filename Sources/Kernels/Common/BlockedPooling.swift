import CKernels

/// One channel block: y = the maximum under the window, padding left out.
func blockedMaxPool(
  _ window: UnsafePointer<apus_window>, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
  _ firstRow: Int, _ endRow: Int
) {
  let least = Vector(repeating: -Float.infinity)
  slideBlock(window.pointee, .maximum, x, nil, start: least, y, firstRow, endRow) { $0 }
}

/// One channel block: y = the mean under the window, of the elements inside the input or, with
/// `includesPadding`, inside the padded input.
func blockedAveragePool(
  _ window: UnsafePointer<apus_window>, _ includesPadding: Bool, _ x: UnsafePointer<Float>,
  _ y: UnsafeMutablePointer<Float>, _ firstRow: Int, _ endRow: Int
) {
  let w = window.pointee
  var out = y + firstRow &* w.output_width &* Vector.scalarCount
  var index = firstRow
  while index < endRow {
    let slice = index / w.output_height
    let row = index &- slice &* w.output_height
    let taps = RowTaps(w, slice, row)
    let size = windowSize(w, row, slice, includesPadding)
    // Column by column: the divisions take longer than the sums.
    var column = 0
    while column < w.output_width {
      let sums = sumColumns(
        InlineArray<1, Vector>.self, w, .sum, x, nil, Vector(), taps, column)
      let count = Float(size &* windowWidth(w, column, includesPadding))
      storeVector(sums[0] / Vector(repeating: count), out)
      out += Vector.scalarCount
      column &+= 1
    }
    index &+= 1
  }
}
