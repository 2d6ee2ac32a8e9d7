import CKernels

/// What a tap reads for a row of the output: the row at `offset` of the plane, `width` long (0 where
/// it lies in the padding), from position `first` on.
private struct Tap {
  var offset = 0
  var width = 0
  var first = 0
}

private typealias Taps = InlineArray<64, Tap>

/// A window over one plane; see `CKernels.h`.
func integerDepthwise(
  _ window: UnsafePointer<apus_window>, _ descriptor: UnsafePointer<apus_integer_product>,
  _ x: UnsafePointer<UInt8>, _ flip: Int, _ fill: Int, _ begin: UnsafePointer<UInt8>,
  _ end: UnsafePointer<UInt8>, _ firstRow: Int, _ endRow: Int
) {
  let w = window.pointee
  let p = descriptor.pointee
  var taps = Taps(repeating: Tap())
  var row = firstRow
  while row < endRow {
    let count = place(w, row, &taps)
    var column = 0
    while column < w.output_width {
      let valid = min(IntVector.scalarCount, w.output_width &- column)
      var sum = IntVector(repeating: 0)
      var total = IntVector(repeating: 0)
      var first = 0
      var a = p.a.unsafelyUnwrapped
      while first < count {
        var word = IntVector(repeating: repeated(flip, count &- first))
        for j in 0..<wordDepth where first &+ j < count {
          let tap = taps[first &+ j]
          let bytes = loadBytes(
            x + tap.offset, tap.first &+ column &* w.stride_x, w.stride_x, valid, tap.width, fill,
            begin, end)
          word ^= bytes &<< IntVector(repeating: Int32(truncatingIfNeeded: j) &* wordBits)
        }
        sum = dot(sum, word, a.pointee)
        total = dot(total, word, repeated(1, wordDepth))
        a += 1
        first &+= wordDepth
      }
      if let zeros = p.a_zeros { sum = sum &- IntVector(repeating: zeros[0]) &* total }
      finish(p, 0, 0, sum, row &* w.output_width &+ column, valid)
      column &+= IntVector.scalarCount
    }
    row &+= 1
  }
}

/// Sets what the taps read for a row of the output; returns how many there are.
@inline(__always)
private func place(_ w: apus_window, _ row: Int, _ taps: inout Taps) -> Int {
  let outputZ = row / w.output_height
  let inputZ = outputZ &* w.stride_z &- w.pad_z
  let inputY = (row &- outputZ &* w.output_height) &* w.stride_y &- w.pad_y
  var count = 0
  var kz = 0
  while kz < w.kernel_depth {
    let z = inputZ &+ kz &* w.dilation_z
    var ky = 0
    while ky < w.kernel_height {
      let y = inputY &+ ky &* w.dilation_y
      let isInside = z >= 0 && z < w.input_depth && y >= 0 && y < w.input_height
      var kx = 0
      while kx < w.kernel_width {
        taps[count] = Tap(
          offset: isInside ? (z &* w.input_height &+ y) &* w.input_width : 0,
          width: isInside ? w.input_width : 0, first: kx &* w.dilation_x &- w.pad_x)
        count &+= 1
        kx &+= 1
      }
      ky &+= 1
    }
    kz &+= 1
  }
  return count
}
