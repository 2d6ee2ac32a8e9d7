import CKernels

/// One channel block: y = clip(bias + Σ weights[tap] · x[under tap]); see `CKernels.h`.
func blockedDepthwise(
  _ window: UnsafePointer<apus_window>, _ x: UnsafePointer<Float>,
  _ weights: UnsafePointer<Float>, _ bias: UnsafePointer<Float>?, _ lower: Float, _ upper: Float,
  _ y: UnsafeMutablePointer<Float>, _ firstRow: Int, _ endRow: Int
) {
  let w = window.pointee
  let last = (w.output_width &- 1) &* w.stride_x &- w.pad_x &+ 2
  if w.kernel_width == 3 && w.dilation_x == 1 && w.stride_x <= 2 && w.pad_x <= 1
    && last <= w.input_width && w.output_width >= windowTile / 2
  {
    if w.stride_x == 1 {
      slideThree(StrideOne.self, w, x, weights, bias, lower, upper, y, firstRow, endRow)
    } else {
      slideThree(StrideTwo.self, w, x, weights, bias, lower, upper, y, firstRow, endRow)
    }
    return
  }
  let low = Vector(repeating: lower)
  let high = Vector(repeating: upper)
  let start = bias.map { loadVector($0) } ?? Vector()
  slideBlock(w, .multiplyAdd, x, weights, start: start, y, firstRow, endRow) {
    clip($0, low, high)
  }
}

/// A stride that the compiler knows: each then has code of its own.
private typealias StrideOne = InlineArray<1, Int8>
private typealias StrideTwo = InlineArray<2, Int8>

/// Windows of three adjacent columns, of which those of a row's first and last output may reach one
/// column out: each input is loaded once for its neighbouring outputs of a row.
@inline(__always)
private func slideThree<let stride: Int>(
  _: InlineArray<stride, Int8>.Type, _ w: apus_window, _ x: UnsafePointer<Float>,
  _ weights: UnsafePointer<Float>, _ bias: UnsafePointer<Float>?, _ lower: Float, _ upper: Float,
  _ y: UnsafeMutablePointer<Float>, _ firstRow: Int, _ endRow: Int
) {
  let width = Vector.scalarCount
  let low = Vector(repeating: lower)
  let high = Vector(repeating: upper)
  let start = bias.map { loadVector($0) } ?? Vector()
  let tiles = (w.output_width &+ windowTile &- 1) / windowTile
  withUnsafeBytes(of: Vector()) { bytes in
    let zeros = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
    var index = firstRow
    while index < endRow {
      let taps = RowTaps(w, index)
      let out = y + index &* w.output_width &* width

      @inline(__always)
      func run<let n: Int>(_: InlineArray<n, Vector>.Type, _ column: Int) {
        let firstX = column &* stride &- w.pad_x
        let isLeft = firstX < 0
        let isRight = firstX &+ (n &- 1) &* stride &+ 2 >= w.input_width
        var sums = InlineArray<n, Vector>(repeating: start)
        var kz = taps.z.begin
        while kz < taps.z.end {
          let inputZ = taps.firstZ &+ kz &* w.dilation_z
          let inputY = taps.firstY &+ taps.y.begin &* w.dilation_y
          var source =
            x + ((inputZ &* w.input_height &+ inputY) &* w.input_width &+ firstX) &* width
          var rowWeights = weights + (kz &* w.kernel_height &+ taps.y.begin) &* 3 &* width
          var rows = taps.y.count
          while rows > 0 {
            let last = source + ((n &- 1) &* stride &+ 2) &* width
            addThree(
              &sums, source, isLeft ? zeros : source, isRight ? zeros : last, rowWeights, stride)
            source += w.dilation_y &* w.input_width &* width
            rowWeights += 3 &* width
            rows &-= 1
          }
          kz &+= 1
        }
        for i in 0..<n {
          storeVector(clip(sums[i], low, high), out + (column &+ i) &* width)
        }
      }
      // Tiles of nearly the same width, so that no output is computed twice.
      var column = 0
      var left = tiles
      while left > 0 {
        let columns = (w.output_width &- column &+ left &- 1) / left
        switch columns {
        case 2 where windowTile < 8: run(InlineArray<2, Vector>.self, column)
        case 3 where windowTile < 8: run(InlineArray<3, Vector>.self, column)
        case 4: run(InlineArray<4, Vector>.self, column)
        case 5 where windowTile == 8: run(InlineArray<5, Vector>.self, column)
        case 6 where windowTile == 8: run(InlineArray<6, Vector>.self, column)
        case 7 where windowTile == 8: run(InlineArray<7, Vector>.self, column)
        case 8 where windowTile == 8: run(InlineArray<8, Vector>.self, column)
        default: break
        }
        column &+= columns
        left &-= 1
      }
      index &+= 1
    }
  }
}

/// A row of three taps; `first` and `last` are the outermost inputs.
@inline(__always)
private func addThree<let n: Int>(
  _ sums: inout InlineArray<n, Vector>, _ source: UnsafePointer<Float>,
  _ first: UnsafePointer<Float>, _ last: UnsafePointer<Float>, _ weights: UnsafePointer<Float>,
  _ stride: Int
) {
  let width = Vector.scalarCount
  let w0 = loadVector(weights)
  let w1 = loadVector(weights + width)
  let w2 = loadVector(weights + 2 &* width)
  var v0 = loadVector(first)
  var v1 = loadVector(source + width)
  for i in 0..<n {
    let next = source + (i &* stride &+ 2) &* width
    let v2 = loadVector(i &+ 1 < n ? next : last)
    sums[i] = multiplyAdd(w2, v2, multiplyAdd(w1, v1, multiplyAdd(w0, v0, sums[i])))
    if i &+ 1 < n {
      v0 = stride == 1 ? v1 : v2
      v1 = stride == 1 ? v2 : loadVector(next + width)
    }
  }
}
