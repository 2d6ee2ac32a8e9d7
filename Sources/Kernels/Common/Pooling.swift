import CKernels

/// One plane: y = the maximum under the window, padding left out.
func maxPool(
  _ window: UnsafePointer<apus_window>, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
  _ firstRow: Int, _ endRow: Int
) {
  let w = window.pointee
  if w.kernel_width == 2 && w.stride_x == 2 && w.dilation_x == 1 && w.pad_x == 0
    && 2 &* w.output_width <= w.input_width && w.output_width >= Vector.scalarCount / 2
  {
    maxPoolPairs(w, x, y, firstRow, endRow)
    return
  }
  slideWindow(
    window.pointee, .maximum, false, x, nil, start: -Float.infinity, fill: -Float.infinity,
    -Float.infinity, Float.infinity, y, firstRow, endRow)
}

/// The maximum of pairs of columns: a vector of outputs from two vectors of each row, of which the
/// second overlaps the first at a row's end.
@inline(never)
private func maxPoolPairs(
  _ w: apus_window, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ firstRow: Int,
  _ endRow: Int
) {
  let half = Vector.scalarCount / 2
  var index = firstRow
  while index < endRow {
    let taps = RowTaps(w, index)
    let out = y + index &* w.output_width
    var column = 0
    while column < w.output_width {
      let first = min(column, w.output_width &- half)
      let second = min(column &+ half, w.output_width &- half)
      var largest = Vector(repeating: -Float.infinity)
      var kz = taps.z.begin
      while kz < taps.z.end {
        let slice = (taps.firstZ &+ kz &* w.dilation_z) &* w.input_height
        var ky = taps.y.begin
        while ky < taps.y.end {
          let row = x + (slice &+ taps.firstY &+ ky &* w.dilation_y) &* w.input_width
          let a = loadVector(row + 2 &* first)
          let b = loadVector(row + 2 &* second)
          largest = combine(
            .maximum, largest, Vector(lowHalf: a.evenHalf, highHalf: b.evenHalf), Vector())
          largest = combine(
            .maximum, largest, Vector(lowHalf: a.oddHalf, highHalf: b.oddHalf), Vector())
          ky &+= 1
        }
        kz &+= 1
      }
      UnsafeMutableRawPointer(out + first).storeBytes(
        of: largest.lowHalf, as: type(of: largest.lowHalf))
      UnsafeMutableRawPointer(out + second).storeBytes(
        of: largest.highHalf, as: type(of: largest.highHalf))
      column &+= Vector.scalarCount
    }
    index &+= 1
  }
}

/// Elements of a window that an average divides by, along one axis.
@inline(never)
private func windowCount(
  _ position: Int, _ stride: Int, _ pad: Int, _ padEnd: Int, _ kernel: Int, _ dilation: Int,
  _ size: Int, _ includesPadding: Bool
) -> Int {
  TapRange(
    position &* stride &- pad, kernel, dilation, includesPadding ? 0 &- pad : 0,
    includesPadding ? size &+ padEnd : size
  ).count
}

/// Elements that an average divides by: in depth and height, and along the row.
@inline(never)
func windowSize(
  _ w: apus_window, _ row: Int, _ slice: Int, _ includesPadding: Bool
) -> Int {
  let z = windowCount(
    slice, w.stride_z, w.pad_z, w.pad_end_z, w.kernel_depth, w.dilation_z, w.input_depth,
    includesPadding)
  let y = windowCount(
    row, w.stride_y, w.pad_y, w.pad_end_y, w.kernel_height, w.dilation_y, w.input_height,
    includesPadding)
  return z &* y
}

@inline(never)
func windowWidth(_ w: apus_window, _ column: Int, _ includesPadding: Bool) -> Int {
  windowCount(
    column, w.stride_x, w.pad_x, w.pad_end_x, w.kernel_width, w.dilation_x, w.input_width,
    includesPadding)
}

/// One plane: y = the mean under the window, of the elements inside the input or, with
/// `includesPadding`, inside the padded input.
func averagePool(
  _ window: UnsafePointer<apus_window>, _ includesPadding: Bool, _ x: UnsafePointer<Float>,
  _ y: UnsafeMutablePointer<Float>, _ firstRow: Int, _ endRow: Int
) {
  slideWindow(
    window.pointee, .sum, includesPadding, x, nil, start: 0, fill: 0, -Float.infinity,
    Float.infinity, y, firstRow, endRow)
}
