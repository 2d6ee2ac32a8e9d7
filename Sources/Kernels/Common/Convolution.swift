import CKernels

/// Floats on the stack: the panel of B and a vector of slack for `copyRow`, one tile of y, and zeros
/// that the rows start from where there is no bias; then the segments.
private var panelSize: Int { 2560 }
private var tileOffset: Int { 2576 }
private var zerosOffset: Int { 2960 }
private var segmentsOffset: Int { 2976 }
private typealias ConvolutionBuffers = InlineArray<3136, Float>

/// A stretch of a tile that lies in one row of the grid: `length` columns from `column` on, the
/// first of them at grid position (z, y, x).
private struct Segment {
  var column: Int32 = 0
  var length: Int32 = 0
  var z: Int32 = 0
  var y: Int32 = 0
  var x: Int32 = 0
}

/// The segments of a tile, at most one for each column: 32. Behind a pointer, since the compiler copies
/// an array for each element that it reads.
private struct Segments {
  let items: UnsafeMutablePointer<Segment>
  var count = 0

  /// The segments of columns `first ..< first + width` where rows are `pitchX` columns and slices
  /// `pitchY` rows apart; what lies beyond the grid's width and height is left out.
  @inline(__always)
  mutating func find(
    _ c: apus_convolution, _ first: Int, _ width: Int, _ pitchX: Int, _ pitchY: Int
  ) {
    let row = first / pitchX
    var x = first &- row &* pitchX
    var z = row / pitchY
    var y = row &- z &* pitchY
    var column = 0
    count = 0
    while column < width {
      let whole = min(pitchX &- x, width &- column)
      let length = min(whole, c.grid_width &- x)
      if length > 0 && y < c.grid_height {
        items[count] = Segment(
          column: Int32(truncatingIfNeeded: column), length: Int32(truncatingIfNeeded: length),
          z: Int32(truncatingIfNeeded: z), y: Int32(truncatingIfNeeded: y),
          x: Int32(truncatingIfNeeded: x))
        count &+= 1
      }
      column &+= whole
      x = 0
      y &+= 1
      if y == pitchY {
        y = 0
        z &+= 1
      }
    }
  }

  /// Whether the tile's columns lie side by side in y.
  @inline(__always)
  func isContiguous(_ c: apus_convolution, _ width: Int) -> Bool {
    if c.y_step_x != 1 { return false }
    var total = 0
    var i = 0
    let start = position(c, 0)
    while i < count {
      if position(c, i) &- start != total { return false }
      total &+= Int(items[i].length)
      i &+= 1
    }
    return total == width
  }

  /// Where segment i starts in y.
  @inline(__always)
  func position(_ c: apus_convolution, _ i: Int) -> Int {
    let s = items[i]
    return Int(s.z) &* c.y_step_z &+ Int(s.y) &* c.y_step_y &+ Int(s.x) &* c.y_step_x
  }
}

/// y = clip(bias + Σ weights · x) over the tiles `firstTile ..< endTile`; see `apus_convolution`.
func convolve(
  _ descriptor: UnsafePointer<apus_convolution>, _ x: UnsafePointer<Float>,
  _ weights: UnsafePointer<Float>, _ bias: UnsafePointer<Float>?, _ y: UnsafeMutablePointer<Float>,
  _ firstTile: Int, _ endTile: Int
) {
  let c = descriptor.pointee
  var buffers = ConvolutionBuffers(repeating: 0)
  withUnsafeMutableBytes(of: &buffers) { bytes in
    let panel = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
    let tile = panel + tileOffset
    let zeros = UnsafePointer(panel + zerosOffset)
    var segments = Segments(
      items: UnsafeMutableRawPointer(panel + segmentsOffset).assumingMemoryBound(to: Segment.self))
    var t = firstTile
    while t < endTile {
      let first = t &* tileColumns
      let valid = min(tileColumns, c.columns &- first)
      if let table = c.table {
        convolveInPlace(c, table, x, weights, bias, y, first, valid, &segments, tile, zeros)
      } else {
        convolvePacked(c, x, weights, bias, y, first, valid, &segments, panel, tile, zeros)
      }
      t &+= 1
    }
  }
}

/// A tile whose columns are adjacent in the input: columns count input elements, those between two
/// rows of the grid are computed in vain.
@inline(__always)
private func convolveInPlace(
  _ c: apus_convolution, _ table: UnsafePointer<Int32>, _ x: UnsafePointer<Float>,
  _ weights: UnsafePointer<Float>, _ bias: UnsafePointer<Float>?, _ y: UnsafeMutablePointer<Float>,
  _ first: Int, _ valid: Int, _ segments: inout Segments, _ tile: UnsafeMutablePointer<Float>,
  _ zeros: UnsafePointer<Float>
) {
  let depth = c.channels &* c.taps
  let vectors = valid <= Vector.scalarCount ? 1 : 2
  let width = vectors &* Vector.scalarCount
  // The last tile is shifted left, so that its loads stay inside the input.
  let skip = width &- valid
  segments.find(c, first, valid, c.input_width, c.input_height)
  if segments.count == 0 { return }
  let isDirect = skip == 0 && segments.isContiguous(c, width)
  let start = segments.position(c, 0)
  var row = 0
  while row < c.rows {
    let height = panelRows(c.rows &- row)
    let validRows = min(height, c.rows &- row)
    let out = y + row &* c.y_step_row
    let a = weights + row &* depth
    let rowBias = paddedBias(bias, row, height, validRows, tile, zeros)
    if isDirect && validRows == height {
      multiplyTile(
        height, vectors, depth, a, x + first, table: table, rowBias, out + start, c.y_step_row,
        c.minimum, c.maximum)
    } else {
      multiplyTile(
        height, vectors, depth, a, x + (first &- skip), table: table, rowBias, tile, width,
        c.minimum, c.maximum)
      storeTile(c, segments, tile + skip, width, out, validRows)
    }
    row &+= height
  }
}

/// A tile whose columns are gathered into a panel on the stack, a block of the depth at a time.
@inline(__always)
private func convolvePacked(
  _ c: apus_convolution, _ x: UnsafePointer<Float>, _ weights: UnsafePointer<Float>,
  _ bias: UnsafePointer<Float>?, _ y: UnsafeMutablePointer<Float>, _ first: Int, _ valid: Int,
  _ segments: inout Segments, _ panel: UnsafeMutablePointer<Float>,
  _ tile: UnsafeMutablePointer<Float>, _ zeros: UnsafePointer<Float>
) {
  let depth = c.channels &* c.taps
  let vectors = valid <= Vector.scalarCount ? 1 : 2
  let width = vectors &* Vector.scalarCount
  let blockDepth = panelSize / width
  segments.find(c, first, valid, c.grid_width, c.grid_height)
  let isDirect = valid == width && segments.isContiguous(c, width)
  let start = segments.position(c, 0)
  var k = 0
  repeat {
    let block = min(blockDepth, depth &- k)
    packPanel(c, x, segments, k, block, panel, width)
    let isFirst = k == 0
    let isLast = k &+ block >= depth
    let lower = isLast ? c.minimum : -Float.infinity
    let upper = isLast ? c.maximum : Float.infinity
    var row = 0
    while row < c.rows {
      let height = panelRows(c.rows &- row)
      let validRows = min(height, c.rows &- row)
      let out = y + row &* c.y_step_row
      let a = weights + (row &* depth &+ k &* height)
      let rowBias = isFirst ? paddedBias(bias, row, height, validRows, tile, zeros) : nil
      if isDirect && validRows == height {
        multiplyTile(
          height, vectors, block, a, UnsafePointer(panel), stride: width, rowBias, out + start,
          c.y_step_row, lower, upper)
      } else {
        if !isFirst { loadTile(c, segments, out, tile, width, validRows) }
        multiplyTile(
          height, vectors, block, a, UnsafePointer(panel), stride: width, rowBias, tile, width,
          lower, upper)
        storeTile(c, segments, tile, width, out, validRows)
      }
      row &+= height
    }
    k &+= block
  } while k < depth
}

/// What the rows of a panel start from; a panel that reaches beyond the last row gets a copy, in
/// the memory of the tile, which is not written before the bias has been read.
@inline(__always)
private func paddedBias(
  _ bias: UnsafePointer<Float>?, _ row: Int, _ height: Int, _ valid: Int,
  _ tile: UnsafeMutablePointer<Float>, _ zeros: UnsafePointer<Float>
) -> UnsafePointer<Float> {
  guard let bias else { return zeros }
  if valid == height { return bias + row }
  var r = 0
  while r < height {
    tile[r] = r < valid ? bias[row &+ r] : 0
    r &+= 1
  }
  return UnsafePointer(tile)
}

/// panel[i][column] = the input under tap (k + i) % taps of channel (k + i) / taps, 0 in the
/// padding.
@inline(__always)
private func packPanel(
  _ c: apus_convolution, _ x: UnsafePointer<Float>, _ segments: Segments, _ k: Int,
  _ depth: Int, _ panel: UnsafeMutablePointer<Float>, _ width: Int
) {
  let plane = c.input_depth &* c.input_height &* c.input_width
  let end = x + c.channels &* plane
  let offsets = c.tap_offsets.unsafelyUnwrapped
  var channel = x + (k / c.taps) &* plane
  var tap = k % c.taps
  var target = panel
  var i = 0
  while i < depth {
    let tapZ = Int(offsets[3 &* tap])
    let tapY = Int(offsets[3 &* tap &+ 1])
    let tapX = Int(offsets[3 &* tap &+ 2])
    var s = 0
    while s < segments.count {
      let segment = segments.items[s]
      let z = Int(segment.z) &* c.step_z &+ tapZ
      let y = Int(segment.y) &* c.step_y &+ tapY
      let isInside = z >= 0 && z < c.input_depth && y >= 0 && y < c.input_height
      // A row outside is read as one of width 0: nothing but padding.
      copyRow(
        isInside ? channel + (z &* c.input_height &+ y) &* c.input_width : channel,
        first: Int(segment.x) &* c.step_x &+ tapX, step: c.step_x,
        width: isInside ? c.input_width : 0, fill: 0, target + Int(segment.column),
        Int(segment.length), end: end)
      s &+= 1
    }
    target += width
    tap &+= 1
    if tap == c.taps {
      tap = 0
      channel += plane
    }
    i &+= 1
  }
}

/// Writes the valid part of a tile to y.
@inline(__always)
private func storeTile(
  _ c: apus_convolution, _ segments: Segments, _ tile: UnsafePointer<Float>,
  _ width: Int, _ y: UnsafeMutablePointer<Float>, _ rows: Int
) {
  var s = 0
  while s < segments.count {
    let source = tile + Int(segments.items[s].column)
    let target = y + segments.position(c, s)
    let n = Int(segments.items[s].length)
    var r = 0
    while r < rows {
      let from = source + r &* width
      let to = target + r &* c.y_step_row
      if c.y_step_x == 1 {
        copyFloats(from, to, n)
      } else {
        var i = 0
        while i < n {
          to[i &* c.y_step_x] = from[i]
          i &+= 1
        }
      }
      r &+= 1
    }
    s &+= 1
  }
}

/// Reads the valid part of a tile, the partial sums, back from y.
@inline(__always)
private func loadTile(
  _ c: apus_convolution, _ segments: Segments, _ y: UnsafePointer<Float>,
  _ tile: UnsafeMutablePointer<Float>, _ width: Int, _ rows: Int
) {
  var s = 0
  while s < segments.count {
    let target = tile + Int(segments.items[s].column)
    let source = y + segments.position(c, s)
    let n = Int(segments.items[s].length)
    var r = 0
    while r < rows {
      let from = source + r &* c.y_step_row
      let to = target + r &* width
      if c.y_step_x == 1 {
        copyFloats(from, to, n)
      } else {
        var i = 0
        while i < n {
          to[i] = from[i &* c.y_step_x]
          i &+= 1
        }
      }
      r &+= 1
    }
    s &+= 1
  }
}

/// Packs weights into panels of rows, [panel][channels · taps][panel rows]; see `CKernels.h`.
func convolutionPack(
  _ w: UnsafePointer<Float>, _ rows: Int, _ rowStride: Int, _ channels: Int, _ channelStride: Int,
  _ taps: Int, _ tapOffsets: UnsafePointer<Int32>, _ packed: UnsafeMutablePointer<Float>
) {
  var out = packed
  var row = 0
  while row < rows {
    let height = panelRows(rows &- row)
    var channel = 0
    while channel < channels {
      var tap = 0
      while tap < taps {
        let source = w + (row &* rowStride &+ channel &* channelStride &+ Int(tapOffsets[tap]))
        var r = 0
        while r < height {
          out[r] = row &+ r < rows ? source[r &* rowStride] : 0
          r &+= 1
        }
        out += height
        tap &+= 1
      }
      channel &+= 1
    }
    row &+= height
  }
}

/// Floats that `convolutionPack` writes.
func convolutionPackedCount(_ rows: Int, _ depth: Int) -> Int {
  // Whole panels at once: a file may state any number of rows.
  let above = rows &- middleTileRows
  var padded = above > 0 ? (above &+ tileRows &- 1) / tileRows &* tileRows : 0
  while padded < rows { padded &+= panelRows(rows &- padded) }
  return padded &* depth
}
