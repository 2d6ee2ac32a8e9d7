import CKernels

/// One plane: y = the maximum under the window, padding left out.
func maxPool(
  _ window: UnsafePointer<apus_window>, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
  _ firstRow: Int, _ endRow: Int
) {
  let w = window.pointee
  slideWindow(
    w, .maximum, x, nil, start: -Float.infinity, fill: -Float.infinity, firstRow, endRow
  ) { sums, column, columns, row, slice in
    copyFloats(
      sums, y + ((slice &* w.output_height &+ row) &* w.output_width &+ column), columns)
  }
}

/// Elements of a window that an average divides by, along one axis.
@inline(__always)
private func windowCount(
  _ position: Int, _ stride: Int, _ pad: Int, _ padEnd: Int, _ kernel: Int, _ dilation: Int,
  _ size: Int, _ includesPadding: Bool
) -> Int {
  let first = position &* stride &- pad
  let low = includesPadding ? 0 &- pad : 0
  let high = includesPadding ? size &+ padEnd : size
  // Taps k with low ≤ first + k · dilation < high.
  let begin = first < low ? (low &- first &+ dilation &- 1) / dilation : 0
  let end = first < high ? min(kernel, (high &- first &- 1) / dilation &+ 1) : 0
  return max(0, end &- begin)
}

/// One plane: y = the mean under the window, of the elements inside the input or, with
/// `includesPadding`, inside the padded input.
func averagePool(
  _ window: UnsafePointer<apus_window>, _ includesPadding: Bool, _ x: UnsafePointer<Float>,
  _ y: UnsafeMutablePointer<Float>, _ firstRow: Int, _ endRow: Int
) {
  let w = window.pointee
  slideWindow(w, .sum, x, nil, start: 0, fill: 0, firstRow, endRow) {
    sums, column, columns, row, slice in
    let countZ = windowCount(
      slice, w.stride_z, w.pad_z, w.pad_end_z, w.kernel_depth, w.dilation_z, w.input_depth,
      includesPadding)
    let countY = windowCount(
      row, w.stride_y, w.pad_y, w.pad_end_y, w.kernel_height, w.dilation_y, w.input_height,
      includesPadding)
    let out = y + ((slice &* w.output_height &+ row) &* w.output_width &+ column)
    var i = 0
    while i < columns {
      var counts = Vector(repeating: 1)
      var lane = 0
      while lane < Vector.scalarCount {
        let countX = windowCount(
          column &+ i &+ lane, w.stride_x, w.pad_x, w.pad_end_x, w.kernel_width, w.dilation_x,
          w.input_width, includesPadding)
        counts[lane] = Float(countZ &* countY &* countX)
        lane &+= 1
      }
      finishVector(loadVector(sums + i) / counts, out + i, columns &- i)
      i &+= Vector.scalarCount
    }
  }
}
