import CKernels

// Windows over one channel block: depthwise convolution, maximum and average pooling. Lanes are
// channels, so that nothing is copied; taps that leave the input are left out.

/// Outputs of a row that are computed together: as many, where there are fewer half as many, else
/// one. Windows of three columns take any number between.
@inline(__always) var windowTile: Int { Vector.scalarCount == 16 ? 8 : 4 }
typealias HalfWindowTile = InlineArray<2, Vector>
typealias WindowTile = InlineArray<4, Vector>
typealias DoubleWindowTile = InlineArray<8, Vector>

/// Taps of an axis, begin ..< end.
struct TapRange {
  let begin: Int
  let end: Int

  /// Taps k < kernel with low ≤ first + k · dilation < high.
  @inline(__always)
  init(_ first: Int, _ kernel: Int, _ dilation: Int, _ low: Int, _ high: Int) {
    // Divisions only where the window leaves the input.
    begin = first < low ? (low &- first &+ dilation &- 1) / dilation : 0
    if first &+ (kernel &- 1) &* dilation < high {
      end = kernel
    } else {
      end = first < high ? (high &- first &- 1) / dilation &+ 1 : 0
    }
  }

  @inline(__always) var count: Int { max(0, end &- begin) }
}

/// The outputs of a row whose windows do not leave the row of the input, begin ..< end.
struct InnerColumns {
  let begin: Int
  let end: Int

  @inline(__always)
  init(_ w: apus_window) {
    let reach = w.input_width &- 1 &- (w.kernel_width &- 1) &* w.dilation_x &+ w.pad_x
    begin = min(w.output_width, (w.pad_x &+ w.stride_x &- 1) / w.stride_x)
    end = reach < 0 ? begin : max(begin, min(w.output_width, reach / w.stride_x &+ 1))
  }
}

/// Taps of a row of outputs in depth and height, and the input under the first (maybe outside).
struct RowTaps {
  /// Of the output.
  let slice: Int
  let row: Int
  let z: TapRange
  let y: TapRange
  let firstZ: Int
  let firstY: Int

  /// - Parameter index: The rows of all slices counted through.
  @inline(__always)
  init(_ w: apus_window, _ index: Int) {
    slice = index / w.output_height
    row = index &- slice &* w.output_height
    firstZ = slice &* w.stride_z &- w.pad_z
    firstY = row &* w.stride_y &- w.pad_y
    z = TapRange(firstZ, w.kernel_depth, w.dilation_z, 0, w.input_depth)
    y = TapRange(firstY, w.kernel_height, w.dilation_y, 0, w.input_height)
  }
}

/// Applies the window to output rows `firstRow ..< endRow` (rows of all slices counted through) of
/// one channel block. `finish` makes the output of a sum.
@inline(__always)
func slideBlock(
  _ w: apus_window, _ operation: WindowOperation, _ x: UnsafePointer<Float>,
  _ weights: UnsafePointer<Float>?, start: Vector, _ y: UnsafeMutablePointer<Float>,
  _ firstRow: Int, _ endRow: Int, finish: (Vector) -> Vector
) {
  let inner = InnerColumns(w)
  var index = firstRow
  while index < endRow {
    let taps = RowTaps(w, index)
    let out = y + index &* w.output_width &* Vector.scalarCount

    @inline(__always)
    func run<let n: Int>(_ tile: InlineArray<n, Vector>.Type, _ column: Int) {
      let sums = sumColumns(tile, w, operation, x, weights, start, taps, column)
      for i in 0..<n {
        storeVector(finish(sums[i]), out + (column &+ i) &* Vector.scalarCount)
      }
    }
    var column = 0
    while column < w.output_width {
      let columns = inner.end &- inner.begin
      if column < inner.begin || column >= inner.end || columns < windowTile / 2 {
        run(InlineArray<1, Vector>.self, column)
        column &+= 1
      } else if columns >= windowTile {
        // The last tile overlaps the one before it.
        let first = min(column, inner.end &- windowTile)
        if windowTile == 8 { run(DoubleWindowTile.self, first) } else { run(WindowTile.self, first) }
        column = first &+ windowTile
      } else {
        let first = min(column, inner.end &- windowTile / 2)
        if windowTile == 8 { run(WindowTile.self, first) } else { run(HalfWindowTile.self, first) }
        column = first &+ windowTile / 2
      }
    }
    index &+= 1
  }
}

/// The sums of the n adjacent outputs from `column` on. More than one have all their taps inside the
/// row.
@inline(__always)
func sumColumns<let n: Int>(
  _: InlineArray<n, Vector>.Type, _ w: apus_window, _ operation: WindowOperation,
  _ x: UnsafePointer<Float>, _ weights: UnsafePointer<Float>?, _ start: Vector, _ taps: RowTaps,
  _ column: Int
) -> InlineArray<n, Vector> {
  let width = Vector.scalarCount
  let step = w.stride_x &* width
  let firstX = column &* w.stride_x &- w.pad_x
  var begin = 0
  var end = w.kernel_width
  if n == 1 {
    let range = TapRange(firstX, w.kernel_width, w.dilation_x, 0, w.input_width)
    begin = range.begin
    end = range.end
  }
  var sums = InlineArray<n, Vector>(repeating: start)
  var kz = taps.z.begin
  while kz < taps.z.end {
    let slice = (taps.firstZ &+ kz &* w.dilation_z) &* w.input_height
    var ky = taps.y.begin
    while ky < taps.y.end {
      let row = slice &+ taps.firstY &+ ky &* w.dilation_y
      let source = x + (row &* w.input_width &+ firstX) &* width
      let rowWeights = weights.map {
        $0 + (kz &* w.kernel_height &+ ky) &* w.kernel_width &* width
      }
      var kx = begin
      while kx < end {
        let element = source + kx &* w.dilation_x &* width
        let weight = rowWeights.map { loadVector($0 + kx &* width) } ?? Vector()
        for i in 0..<n {
          sums[i] = combine(operation, sums[i], loadVector(element + i &* step), weight)
        }
        kx &+= 1
      }
      ky &+= 1
    }
    kz &+= 1
  }
  return sums
}
