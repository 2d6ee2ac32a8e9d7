import CKernels

/// What a tap reads for a row of the output: the row at `offset` of the plane, `width` long (0
/// where it lies in the padding), from position `first` on.
private struct Tap {
  var offset = 0
  var width = 0
  var first = 0
}

/// The taps for a row of the output, as many as fill up whole words: those beyond `count`, whose
/// weights are packed as zeros, are like the last.
private struct Taps {
  var items: InlineArray<68, Tap> = InlineArray { _ in Tap() }
  var count = 0
  /// The least and the largest first position, the same with the offset, and the least width.
  var first = 0
  var last = 0
  var begin = 0
  var end = 0
  var width = 0
}

/// A window over one plane; see `CKernels.h`.
func integerDepthwise(
  _ window: UnsafePointer<apus_window>, _ descriptor: UnsafePointer<apus_integer_product>,
  _ x: UnsafePointer<UInt8>, _ flip: Int, _ fill: Int, _ begin: UnsafePointer<UInt8>,
  _ end: UnsafePointer<UInt8>, _ firstRow: Int, _ endRow: Int
) {
  let w = window.pointee
  let p = descriptor.pointee
  let width = IntVector.scalarCount
  let flips = repeated(flip, wordDepth)
  let fills = IntVector(repeating: Int32(truncatingIfNeeded: fill))
  var taps = Taps()
  var row = firstRow
  while row < endRow {
    place(w, row, &taps)
    var column = 0
    while column < w.output_width {
      let valid = min(width, w.output_width &- column)
      let start = column &* w.stride_x
      // Whole vectors may be read, and need none of the padding.
      let isSafe =
        w.stride_x <= 2 && x + (taps.begin &+ start) >= begin
        && x + (taps.end &+ start &+ w.stride_x &* width) <= end
      let isInside =
        taps.first &+ start >= 0
        && taps.last &+ start &+ (valid &- 1) &* w.stride_x < taps.width
      var sum = IntVector(repeating: 0)
      var total = IntVector(repeating: 0)
      var first = 0
      var a = p.a.unsafelyUnwrapped
      while first < taps.count {
        var word = IntVector(repeating: flips)
        if isSafe && isInside && w.stride_x == 1 {
          for j in 0..<wordDepth {
            let tap = taps.items[first &+ j]
            word ^= shifted(widen(x + (tap.offset &+ tap.first &+ start)), j)
          }
        } else if isSafe {
          for j in 0..<wordDepth {
            let tap = taps.items[first &+ j]
            let source = x + (tap.offset &+ tap.first &+ start)
            let bytes = inside(
              w.stride_x == 1 ? widen(source) : widenEven(source),
              Int32(truncatingIfNeeded: tap.first &+ start),
              Int32(truncatingIfNeeded: w.stride_x), UInt32(truncatingIfNeeded: tap.width), fills)
            word ^= shifted(bytes, j)
          }
        } else {
          for j in 0..<wordDepth {
            let tap = taps.items[first &+ j]
            let bytes = loadFewBytes(
              x + tap.offset, tap.first &+ start, w.stride_x, valid, tap.width, fill)
            word ^= shifted(bytes, j)
          }
        }
        sum = dot(sum, word, a.pointee)
        if p.a_zeros != nil {
          let missing = max(0, first &+ wordDepth &- taps.count)
          total = dot(total, word, repeated(1, wordDepth &- missing))
        }
        a += 1
        first &+= wordDepth
      }
      if let zeros = p.a_zeros { sum = sum &- IntVector(repeating: zeros[0]) &* total }
      finish(p, 0, 0, sum, row &* w.output_width &+ column, valid)
      column &+= width
    }
    row &+= 1
  }
}

/// Sets what the taps read for a row of the output.
@inline(__always)
private func place(_ w: apus_window, _ row: Int, _ taps: inout Taps) {
  let outputZ = row / w.output_height
  let inputZ = outputZ &* w.stride_z &- w.pad_z
  let inputY = (row &- outputZ &* w.output_height) &* w.stride_y &- w.pad_y
  taps.count = 0
  taps.first = 0 &- w.pad_x
  taps.last = (w.kernel_width &- 1) &* w.dilation_x &- w.pad_x
  taps.begin = Int.max
  taps.end = Int.min
  taps.width = w.input_width
  var kz = 0
  while kz < w.kernel_depth {
    let z = inputZ &+ kz &* w.dilation_z
    var ky = 0
    while ky < w.kernel_height {
      let y = inputY &+ ky &* w.dilation_y
      let isInside = z >= 0 && z < w.input_depth && y >= 0 && y < w.input_height
      let offset = isInside ? (z &* w.input_height &+ y) &* w.input_width : 0
      taps.begin = min(taps.begin, offset &+ taps.first)
      taps.end = max(taps.end, offset &+ taps.last)
      if !isInside { taps.width = 0 }
      var kx = 0
      while kx < w.kernel_width {
        taps.items[taps.count] = Tap(
          offset: offset, width: isInside ? w.input_width : 0,
          first: kx &* w.dilation_x &- w.pad_x)
        taps.count &+= 1
        kx &+= 1
      }
      ky &+= 1
    }
    kz &+= 1
  }
  for i in 0..<wordDepth { taps.items[taps.count &+ i] = taps.items[taps.count &- 1] }
}

/// Bytes as number `j` of a word.
@inline(__always) private func shifted(_ bytes: IntVector, _ j: Int) -> IntVector {
  bytes &<< IntVector(repeating: Int32(truncatingIfNeeded: j) &* wordBits)
}
