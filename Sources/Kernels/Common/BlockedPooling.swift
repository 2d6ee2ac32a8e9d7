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
  let inner = InnerColumns(w)
  var index = firstRow
  while index < endRow {
    let taps = RowTaps(w, index)
    let size = windowSize(w, taps.row, taps.slice, includesPadding)
    let out = y + index &* w.output_width &* Vector.scalarCount

    @inline(__always)
    func run<let n: Int>(_ tile: InlineArray<n, Vector>.Type, _ column: Int, _ width: Int) {
      let sums = sumColumns(tile, w, .sum, x, nil, Vector(), taps, column)
      let count = Vector(repeating: Float(size &* width))
      for i in 0..<n { storeVector(sums[i] / count, out + (column &+ i) &* Vector.scalarCount) }
    }
    var column = 0
    while column < w.output_width {
      if column >= inner.begin && column < inner.end && inner.end &- inner.begin >= 4 {
        // Windows of one width. The last tile overlaps the one before it.
        let first = min(column, inner.end &- 4)
        run(WindowTile.self, first, w.kernel_width)
        column = first &+ 4
      } else {
        run(InlineArray<1, Vector>.self, column, windowWidth(w, column, includesPadding))
        column &+= 1
      }
    }
    index &+= 1
  }
}
