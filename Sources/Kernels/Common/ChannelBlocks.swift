import CKernels

// Between plain tensors and channel blocks: squares of as many positions as channels are transposed
// in registers.

/// Exchanges rows and columns of groups of `lanes` lanes.
@inline(__always)
private func transposeStep(_ square: inout VectorSquare, _ lanes: Int) {
  for i in 0..<(Vector.scalarCount / 2) {
    let row = i / lanes &* 2 &* lanes &+ i % lanes
    let a = square[row]
    let b = square[row &+ lanes]
    square[row] = evenGroups(a, b, lanes)
    square[row &+ lanes] = oddGroups(a, b, lanes)
  }
}

@inline(__always)
func transpose(_ square: inout VectorSquare) {
  transposeStep(&square, 1)
  transposeStep(&square, 2)
  if Vector.scalarCount > 4 { transposeStep(&square, 4) }
  if Vector.scalarCount > 8 { transposeStep(&square, 8) }
}

/// A square of plain channels as positions of a block.
@inline(never)
private func blockSquare(
  _ x: UnsafePointer<Float>, _ xChannel: Int, _ y: UnsafeMutablePointer<Float>
) {
  var square = VectorSquare { i in loadVector(x + i &* xChannel) }
  transpose(&square)
  for i in 0..<Vector.scalarCount { storeVector(square[i], y + i &* Vector.scalarCount) }
}

/// The same of `lanes` channels; the other lanes are 0.
@inline(never)
private func blockPartialSquare(
  _ x: UnsafePointer<Float>, _ xChannel: Int, _ lanes: Int, _ y: UnsafeMutablePointer<Float>
) {
  var channels = FloatSquare(repeating: 0)
  withUnsafeMutableBytes(of: &channels) { bytes in
    let rows = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
    var lane = 0
    while lane < lanes {
      storeVector(loadVector(x + lane &* xChannel), rows + lane &* Vector.scalarCount)
      lane &+= 1
    }
    blockSquare(rows, Vector.scalarCount, y)
  }
}

/// A square of positions of a block as `lanes` plain channels.
@inline(never)
private func unblockSquare(
  _ x: UnsafePointer<Float>, _ lanes: Int, _ y: UnsafeMutablePointer<Float>, _ yChannel: Int
) {
  var square = VectorSquare { i in loadVector(x + i &* Vector.scalarCount) }
  transpose(&square)
  for i in 0..<Vector.scalarCount {
    if i < lanes { storeVector(square[i], y + i &* yChannel) }
  }
}

/// Room for a square in memory.
typealias FloatSquare = InlineArray<256, Float>

/// One position of plain channels as a vector.
@inline(__always)
private func loadChannels(_ x: UnsafePointer<Float>, _ xChannel: Int, _ lanes: Int) -> Vector {
  var v = Vector()
  var lane = 0
  while lane < lanes {
    v[lane] = x[lane &* xChannel]
    lane &+= 1
  }
  return v
}

/// See `block_channels`. What is left after whole squares is a square that overlaps the last one.
@inline(never)
func blockChannels(
  _ x: UnsafePointer<Float>, _ xChannel: Int, _ lanes: Int, _ count: Int,
  _ y: UnsafeMutablePointer<Float>
) {
  let width = Vector.scalarCount
  var i = 0
  if count < width {
    while i < count {
      storeVector(loadChannels(x + i, xChannel, lanes), y + i &* width)
      i &+= 1
    }
    return
  }
  while i < count {
    let first = min(i, count &- width)
    if lanes == width {
      blockSquare(x + first, xChannel, y + first &* width)
    } else {
      blockPartialSquare(x + first, xChannel, lanes, y + first &* width)
    }
    i &+= width
  }
}

/// See `unblock_channels`.
func unblockChannels(
  _ x: UnsafePointer<Float>, _ lanes: Int, _ count: Int, _ y: UnsafeMutablePointer<Float>,
  _ yChannel: Int
) {
  let width = Vector.scalarCount
  var i = 0
  if count < width {
    while i < count {
      var lane = 0
      while lane < lanes {
        y[lane &* yChannel &+ i] = x[i &* width &+ lane]
        lane &+= 1
      }
      i &+= 1
    }
    return
  }
  while i < count {
    let first = min(i, count &- width)
    unblockSquare(x + first &* width, lanes, y + first, yChannel)
    i &+= width
  }
}
