import CKernels

/// A vector's worth of columns, or what of it lies in one row of the grid: from `column` of the
/// tile on, `length` columns, the first at grid position (z, y, x). Under the tap at hand it reads
/// the input's row at `offset`, which is `width` long, from position `first` on.
private struct Stretch {
  var column = 0
  var length = 0
  var z = 0
  var y = 0
  var x = 0
  var offset = 0
  var width = 0
  var first = 0
}

/// As many as a tile has columns.
private typealias Stretches = InlineArray<8, Stretch>

/// Packs columns `first …` as [words][columns], their sums behind; see `CKernels.h`.
func integerGather(
  _ descriptor: UnsafePointer<apus_convolution>, _ x: UnsafePointer<UInt8>, _ flip: Int,
  _ fill: Int, _ first: Int, _ needsSums: Bool, _ panel: UnsafeMutablePointer<Int32>
) {
  let c = descriptor.pointee
  let width = IntVector.scalarCount
  let plane = c.input_depth &* c.input_height &* c.input_width
  let end = x + c.channels &* plane
  var stretches: Stretches = InlineArray { _ in Stretch() }
  let count = findStretches(c, first, min(2 &* width, c.columns &- first), &stretches)
  var target = panel
  var tap = 0
  while tap < c.taps {
    place(c, tap, count, &stretches)
    var channel = 0
    while channel < c.channels {
      let base = x + channel &* plane
      let channels = min(wordDepth, c.channels &- channel)
      let flips = repeated(flip, channels)
      let fills = IntVector(repeating: repeated(fill, channels) ^ flips)
      var s = 0
      while s < count {
        let stretch = stretches[s]
        let source = base + (stretch.offset &+ stretch.first)
        let reach = source + ((channels &- 1) &* plane &+ c.step_x &* width)
        var word = IntVector(repeating: flips)
        if c.step_x <= 2 && source >= x && reach <= end {
          for j in 0..<wordDepth where j < channels {
            let p = source + j &* plane
            let bytes = c.step_x == 1 ? widen(p) : apus_even_u8x4(p)
            word ^= bytes &<< IntVector(repeating: Int32(truncatingIfNeeded: j) &* wordBits)
          }
          if stretch.first < 0
            || stretch.first &+ (stretch.length &- 1) &* c.step_x >= stretch.width
          {
            word = apus_inside_i32x4(
              word, Int32(truncatingIfNeeded: stretch.first),
              Int32(truncatingIfNeeded: c.step_x), UInt32(truncatingIfNeeded: stretch.width), fills)
          }
        } else {
          for j in 0..<wordDepth where j < channels {
            let bytes = loadFewBytes(
              base + (j &* plane &+ stretch.offset), stretch.first, c.step_x, stretch.length,
              stretch.width, fill)
            word ^= bytes &<< IntVector(repeating: Int32(truncatingIfNeeded: j) &* wordBits)
          }
        }
        // What reaches beyond the stretch is written anew by what follows.
        storeIntegers(word, target + stretch.column)
        s &+= 1
      }
      target += 2 &* width
      channel &+= wordDepth
    }
    tap &+= 1
  }
  if needsSums { sumColumns(panel, target) }
}

/// A word that holds `byte` in the first `count` of its numbers.
@inline(__always) func repeated(_ byte: Int, _ count: Int) -> Int32 {
  var word: Int32 = 0
  for j in 0..<wordDepth where j < count {
    word |= Int32(truncatingIfNeeded: byte) &<< (Int32(truncatingIfNeeded: j) &* wordBits)
  }
  return word
}

/// Writes the sums of the columns behind the words.
@inline(__always)
private func sumColumns(_ panel: UnsafePointer<Int32>, _ end: UnsafeMutablePointer<Int32>) {
  let width = IntVector.scalarCount
  let ones = repeated(1, wordDepth)
  var sum0 = IntVector(repeating: 0)
  var sum1 = IntVector(repeating: 0)
  var p = panel
  while p < UnsafePointer(end) {
    sum0 = dot(sum0, loadIntegers(p), ones)
    sum1 = dot(sum1, loadIntegers(p + width), ones)
    p += 2 &* width
  }
  storeIntegers(sum0, end)
  storeIntegers(sum1, end + width)
}

/// The stretches of columns `first ..< first + columns`; returns how many.
@inline(__always)
private func findStretches(
  _ c: apus_convolution, _ first: Int, _ columns: Int, _ stretches: inout Stretches
) -> Int {
  let line = first / c.grid_width
  var x = first &- line &* c.grid_width
  var z = line / c.grid_height
  var y = line &- z &* c.grid_height
  var column = 0
  var count = 0
  while column < columns {
    let length = min(min(c.grid_width &- x, columns &- column), IntVector.scalarCount)
    stretches[count] = Stretch(column: column, length: length, z: z, y: y, x: x)
    count &+= 1
    column &+= length
    x &+= length
    if x < c.grid_width { continue }
    x = 0
    y &+= 1
    if y == c.grid_height {
      y = 0
      z &+= 1
    }
  }
  return count
}

/// Sets what the stretches read under a tap.
@inline(__always)
private func place(
  _ c: apus_convolution, _ tap: Int, _ count: Int, _ stretches: inout Stretches
) {
  let offsets = c.tap_offsets.unsafelyUnwrapped + 3 &* tap
  var s = 0
  while s < count {
    let z = stretches[s].z &* c.step_z &+ Int(offsets[0])
    let y = stretches[s].y &* c.step_y &+ Int(offsets[1])
    let isInside = z >= 0 && z < c.input_depth && y >= 0 && y < c.input_height
    // A row outside is read as one of width 0: nothing but padding.
    stretches[s].offset = isInside ? (z &* c.input_height &+ y) &* c.input_width : 0
    stretches[s].width = isInside ? c.input_width : 0
    stretches[s].first = stretches[s].x &* c.step_x &+ Int(offsets[2])
    s &+= 1
  }
}

/// row[first + i · step] in lane i < count, or `fill` where that lies outside 0..<width.
@inline(never)
func loadFewBytes(
  _ row: UnsafePointer<UInt8>, _ first: Int, _ step: Int, _ count: Int, _ width: Int,
  _ fill: Int
) -> IntVector {
  var v = IntVector(repeating: Int32(truncatingIfNeeded: fill))
  withUnsafeMutableBytes(of: &v) { bytes in
    let lanes = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Int32.self)
    var i = 0
    while i < min(count, IntVector.scalarCount) {
      let position = first &+ i &* step
      if position >= 0 && position < width { lanes[i] = Int32(row[position]) }
      i &+= 1
    }
  }
  return v
}
