import CKernels

/// One plane: y = the maximum under the window, padding left out.
func maxPool(
  _ window: UnsafePointer<apus_window>, _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>,
  _ firstRow: Int, _ endRow: Int
) {
  slideWindow(
    window.pointee, .maximum, false, x, nil, start: -Float.infinity, fill: -Float.infinity,
    -Float.infinity, Float.infinity, y, firstRow, endRow)
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
