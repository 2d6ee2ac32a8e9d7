import CKernels

/// Where a tile of columns starts in the grid.
private struct GridStart {
  let x: Int
  let y: Int
  let z: Int
}

/// One row of the panel for each number of a word, 32 columns at most.
private typealias RowBuffer = InlineArray<128, UInt8>

/// Packs columns `first …` as [words][columns], their sums behind; see `CKernels.h`.
func integerGather(
  _ descriptor: UnsafePointer<apus_convolution>, _ x: UnsafePointer<UInt8>, _ flip: Int,
  _ fill: Int, _ first: Int, _ panel: UnsafeMutablePointer<Int32>
) {
  let c = descriptor.pointee
  let width = IntVector.scalarCount
  let valid = min(2 &* width, c.columns &- first)
  let depth = c.channels &* c.taps
  let plane = c.input_depth &* c.input_height &* c.input_width
  let fill = UInt8(truncatingIfNeeded: fill)
  let flipVector = IntVector(repeating: Int32(truncatingIfNeeded: flip))
  let ones: Int32 = wordBits == 8 ? 0x0101_0101 : 0x0001_0001
  let line = first / c.grid_width
  let z = line / c.grid_height
  let start = GridStart(x: first &- line &* c.grid_width, y: line &- z &* c.grid_height, z: z)

  var sum0 = IntVector(repeating: 0)
  var sum1 = IntVector(repeating: 0)
  var buffer = RowBuffer(repeating: 0)
  withUnsafeMutableBytes(of: &buffer) { bytes in
    let rows = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
    var channel = x
    var tap = 0
    var target = panel
    var k = 0
    while k < depth {
      var word0 = IntVector(repeating: 0)
      var word1 = IntVector(repeating: 0)
      var shift: Int32 = 0
      let end = min(depth, k &+ wordDepth)
      var row = rows
      while k < end {
        let source = gatherRow(c, channel, tap, start, valid, fill, row)
        let shifts = IntVector(repeating: shift)
        word0 |= (widen(source) ^ flipVector) &<< shifts
        word1 |= (widen(source + width) ^ flipVector) &<< shifts
        shift &+= wordBits
        row += 2 &* width
        tap &+= 1
        if tap == c.taps {
          tap = 0
          channel += plane
        }
        k &+= 1
      }
      storeIntegers(word0, target)
      storeIntegers(word1, target + width)
      sum0 = dot(sum0, word0, ones)
      sum1 = dot(sum1, word1, ones)
      target += 2 &* width
    }
    storeIntegers(sum0, target)
    storeIntegers(sum1, target + width)
  }
}

/// The bytes under a tap for each column of the tile: in place where they are all adjacent in the
/// input, else copied to `copy`.
@inline(__always)
private func gatherRow(
  _ c: apus_convolution, _ channel: UnsafePointer<UInt8>, _ tap: Int, _ start: GridStart,
  _ valid: Int, _ fill: UInt8, _ copy: UnsafeMutablePointer<UInt8>
) -> UnsafePointer<UInt8> {
  let offsets = c.tap_offsets.unsafelyUnwrapped
  let tapZ = Int(offsets[3 &* tap])
  let tapY = Int(offsets[3 &* tap &+ 1])
  let tapX = Int(offsets[3 &* tap &+ 2])
  var x = start.x
  var y = start.y
  var z = start.z
  var column = 0
  while column < valid {
    let length = min(c.grid_width &- x, valid &- column)
    let inputZ = z &* c.step_z &+ tapZ
    let inputY = y &* c.step_y &+ tapY
    let inputX = x &* c.step_x &+ tapX
    let isInside = inputZ >= 0 && inputZ < c.input_depth && inputY >= 0 && inputY < c.input_height
    // A row outside is read as one of width 0: nothing but padding.
    let row = isInside ? channel + (inputZ &* c.input_height &+ inputY) &* c.input_width : channel
    let width = isInside ? c.input_width : 0
    if length == 2 &* IntVector.scalarCount && c.step_x == 1 && inputX >= 0
      && inputX &+ length <= width
    {
      return row + inputX
    }
    copyStretch(row, first: inputX, step: c.step_x, width: width, fill, copy + column, length)
    column &+= length
    x = 0
    y &+= 1
    if y == c.grid_height {
      y = 0
      z &+= 1
    }
  }
  return UnsafePointer(copy)
}

/// target[i] = row[first + i · step] for 0 ≤ i < n, or `fill` where that lies outside 0..<width.
@inline(__always)
private func copyStretch(
  _ row: UnsafePointer<UInt8>, first: Int, step: Int, width: Int, _ fill: UInt8,
  _ target: UnsafeMutablePointer<UInt8>, _ n: Int
) {
  var i = 0
  var position = first
  while i < n && position < 0 {
    target[i] = fill
    i &+= 1
    position &+= step
  }
  if step == 1 {
    // Pieces of 8, the last of them over what is there already.
    let end = min(n, i &+ max(0, width &- position))
    if end &- i >= 8 {
      while i &+ 8 <= end {
        copyWord(row + position, target + i)
        i &+= 8
        position &+= 8
      }
      copyWord(row + (position &+ end &- i &- 8), target + (end &- 8))
      position &+= end &- i
      i = end
    }
  }
  while i < n && position < width {
    target[i] = row[position]
    i &+= 1
    position &+= step
  }
  while i < n {
    target[i] = fill
    i &+= 1
  }
}

@inline(__always)
private func copyWord(_ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>) {
  UnsafeMutableRawPointer(target).storeBytes(
    of: UnsafeRawPointer(source).loadUnaligned(as: UInt64.self), as: UInt64.self)
}
