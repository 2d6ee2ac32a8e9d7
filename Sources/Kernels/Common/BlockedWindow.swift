import CKernels

// Windows over one channel block: depthwise convolution, maximum and average pooling. Lanes are
// channels, so that nothing is copied; taps that leave the input are left out.

/// Outputs of a row that are computed together, where the whole row of the window lies inside. What
/// is left of a row goes into tiles of half as many and of one.
@inline(__always) private var wideColumns: Int { Vector.scalarCount == 16 ? 8 : 4 }
private typealias HalfTile = InlineArray<2, Vector>
private typealias Tile = InlineArray<4, Vector>
private typealias DoubleTile = InlineArray<8, Vector>

/// Taps of an axis, begin ..< end.
struct TapRange {
  let begin: Int
  let end: Int

  /// Taps k < kernel with low ≤ first + k · dilation < high.
  @inline(__always)
  init(_ first: Int, _ kernel: Int, _ dilation: Int, _ low: Int, _ high: Int) {
    begin = first < low ? (low &- first &+ dilation &- 1) / dilation : 0
    end = first < high ? min(kernel, (high &- first &- 1) / dilation &+ 1) : 0
  }

  @inline(__always) init(all kernel: Int) {
    begin = 0
    end = kernel
  }

  @inline(__always) var count: Int { max(0, end &- begin) }
}

/// Taps of a row of outputs in the other two axes, and the input under tap 0 (which may lie outside).
private struct RowTaps {
  let z: TapRange
  let y: TapRange
  let firstZ: Int
  let firstY: Int

  @inline(__always)
  init(_ w: apus_window, _ slice: Int, _ row: Int) {
    firstZ = slice &* w.stride_z &- w.pad_z
    firstY = row &* w.stride_y &- w.pad_y
    z = TapRange(firstZ, w.kernel_depth, w.dilation_z, 0, w.input_depth)
    y = TapRange(firstY, w.kernel_height, w.dilation_y, 0, w.input_height)
  }
}

/// Applies the window to output rows `firstRow ..< endRow` (rows of all slices counted through) of
/// one channel block. `finish` makes the output of a sum: (sum, column, row, slice).
@inline(__always)
func slideBlock(
  _ w: apus_window, _ operation: WindowOperation, _ x: UnsafePointer<Float>,
  _ weights: UnsafePointer<Float>?, start: Vector, _ y: UnsafeMutablePointer<Float>,
  _ firstRow: Int, _ endRow: Int, finish: (Vector, Int, Int, Int) -> Vector
) {
  // Columns whose windows do not leave the row.
  let reach = w.input_width &- 1 &- (w.kernel_width &- 1) &* w.dilation_x &+ w.pad_x
  let innerBegin = min(w.output_width, (w.pad_x &+ w.stride_x &- 1) / w.stride_x)
  let innerEnd =
    reach < 0 ? innerBegin : max(innerBegin, min(w.output_width, reach / w.stride_x &+ 1))
  let inner = innerEnd &- innerBegin
  var index = firstRow
  while index < endRow {
    let slice = index / w.output_height
    let row = index &- slice &* w.output_height
    let taps = RowTaps(w, slice, row)
    let out = y + index &* w.output_width &* Vector.scalarCount
    var column = 0
    while column < w.output_width {
      let firstX = column &* w.stride_x &- w.pad_x
      if column < innerBegin || column >= innerEnd || inner < wideColumns / 2 {
        let tapsX = TapRange(firstX, w.kernel_width, w.dilation_x, 0, w.input_width)
        let sum = sumColumns(
          InlineArray<1, Vector>.self, w, operation, x, weights, start, taps, tapsX, firstX)
        storeVector(finish(sum[0], column, row, slice), out + column &* Vector.scalarCount)
        column &+= 1
        continue
      }
      // The last tile overlaps the one before it.
      let all = TapRange(all: w.kernel_width)
      if inner >= wideColumns {
        column = min(column, innerEnd &- wideColumns)
        let firstX = column &* w.stride_x &- w.pad_x
        if Vector.scalarCount == 16 {
          finishColumns(
            sumColumns(DoubleTile.self, w, operation, x, weights, start, taps, all, firstX), out,
            column, row, slice, finish)
        } else {
          finishColumns(
            sumColumns(Tile.self, w, operation, x, weights, start, taps, all, firstX), out,
            column, row, slice, finish)
        }
        column &+= wideColumns
      } else {
        column = min(column, innerEnd &- wideColumns / 2)
        let firstX = column &* w.stride_x &- w.pad_x
        if Vector.scalarCount == 16 {
          finishColumns(
            sumColumns(Tile.self, w, operation, x, weights, start, taps, all, firstX), out,
            column, row, slice, finish)
        } else {
          finishColumns(
            sumColumns(HalfTile.self, w, operation, x, weights, start, taps, all, firstX), out,
            column, row, slice, finish)
        }
        column &+= wideColumns / 2
      }
    }
    index &+= 1
  }
}

@inline(__always)
private func finishColumns<let n: Int>(
  _ sums: InlineArray<n, Vector>, _ out: UnsafeMutablePointer<Float>, _ column: Int, _ row: Int,
  _ slice: Int, _ finish: (Vector, Int, Int, Int) -> Vector
) {
  for i in 0..<n {
    storeVector(
      finish(sums[i], column &+ i, row, slice), out + (column &+ i) &* Vector.scalarCount)
  }
}

/// The sums of n adjacent outputs, all with the same taps; `firstX` is the input column under tap 0
/// of the first.
@inline(__always)
private func sumColumns<let n: Int>(
  _: InlineArray<n, Vector>.Type, _ w: apus_window, _ operation: WindowOperation,
  _ x: UnsafePointer<Float>, _ weights: UnsafePointer<Float>?, _ start: Vector, _ taps: RowTaps,
  _ tapsX: TapRange, _ firstX: Int
) -> InlineArray<n, Vector> {
  let width = Vector.scalarCount
  let step = w.stride_x &* width
  let isRowOfThree =
    operation == .multiplyAdd && n > 1 && w.kernel_width == 3 && w.dilation_x == 1
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
      if isRowOfThree && w.stride_x == 1 {
        addThree(&sums, source, rowWeights.unsafelyUnwrapped, 1)
      } else if isRowOfThree && w.stride_x == 2 {
        addThree(&sums, source, rowWeights.unsafelyUnwrapped, 2)
      } else {
        var kx = tapsX.begin
        while kx < tapsX.end {
          let element = source + kx &* w.dilation_x &* width
          let weight = rowWeights.map { loadVector($0 + kx &* width) } ?? Vector()
          for i in 0..<n {
            sums[i] = combine(operation, sums[i], loadVector(element + i &* step), weight)
          }
          kx &+= 1
        }
      }
      ky &+= 1
    }
    kz &+= 1
  }
  return sums
}

/// A row of three taps, whose input is loaded once for neighbouring outputs.
@inline(__always)
private func addThree<let n: Int>(
  _ sums: inout InlineArray<n, Vector>, _ source: UnsafePointer<Float>,
  _ weights: UnsafePointer<Float>, _ stride: Int
) {
  let width = Vector.scalarCount
  let w0 = loadVector(weights)
  let w1 = loadVector(weights + width)
  let w2 = loadVector(weights + 2 &* width)
  var v0 = loadVector(source)
  var v1 = loadVector(source + width)
  for i in 0..<n {
    let next = source + (i &* stride &+ 2) &* width
    let v2 = loadVector(next)
    sums[i] = multiplyAdd(w2, v2, multiplyAdd(w1, v1, multiplyAdd(w0, v0, sums[i])))
    if i &+ 1 < n {
      v0 = stride == 1 ? v1 : v2
      v1 = stride == 1 ? v2 : loadVector(next + width)
    }
  }
}

@inline(__always)
private func combine(
  _ operation: WindowOperation, _ sum: Vector, _ element: Vector, _ weight: Vector
) -> Vector {
  switch operation {
  case .multiplyAdd: multiplyAdd(weight, element, sum)
  case .maximum: select(less(sum, element), element, sum)
  case .sum: sum + element
  }
}
