import CKernels

/// See `apus_blocked_band`.
func blockedBand(
  _ band: UnsafePointer<apus_blocked_band>, _ x: UnsafePointer<Float>,
  _ out: UnsafeMutablePointer<Float>
) {
  let b = band.pointee
  let width = Vector.scalarCount
  // A row of the band holds `span` input columns.
  let span = b.columns &* b.step_x
  let inside = min(span, max(0, 0 &- b.first_column))
  let outside = max(inside, min(span, b.input_width &- b.first_column))
  var out = out
  var channel = 0
  while channel < b.channels {
    let lanes = min(width, b.channels &- channel)
    var row = 0
    while row < b.rows {
      let y = b.first_row &+ row
      if y < 0 || y >= b.input_height || inside >= outside {
        fillZeros(out, 0, span, b.columns, b.step_x)
      } else {
        fillZeros(out, 0, inside, b.columns, b.step_x)
        let column = b.first_column &+ inside
        if b.x_channel == 0 {
          let source =
            x + (channel / width &* b.x_block &+ (y &* b.input_width &+ column) &* width)
          copyBlockRow(source, inside, outside, b.columns, b.step_x, out)
        } else {
          let source = x + (channel &* b.x_channel &+ y &* b.input_width &+ column)
          copyPlainRow(source, b.x_channel, lanes, inside, outside, b.columns, b.step_x, out)
        }
        fillZeros(out, outside, span, b.columns, b.step_x)
      }
      out += span &* width
      row &+= 1
    }
    channel &+= width
  }
}

/// Walks over input columns, of which the band holds those of one phase together.
private struct PhaseWalk {
  var phase: Int
  var column: Int

  @inline(__always)
  init(_ position: Int, _ step: Int) {
    column = step == 1 ? position : position / step
    phase = position &- column &* step
  }

  /// Where the position stands in a row of the band.
  @inline(__always)
  func offset(_ columns: Int) -> Int { (phase &* columns &+ column) &* Vector.scalarCount }

  @inline(__always)
  mutating func advance(_ step: Int) {
    phase &+= 1
    if phase == step {
      phase = 0
      column &+= 1
    }
  }
}

@inline(__always)
private func fillZeros(
  _ out: UnsafeMutablePointer<Float>, _ begin: Int, _ end: Int, _ columns: Int, _ step: Int
) {
  if begin >= end { return }
  var walk = PhaseWalk(begin, step)
  var i = begin
  while i < end {
    storeVector(Vector(), out + walk.offset(columns))
    walk.advance(step)
    i &+= 1
  }
}

@inline(__always)
private func copyBlockRow(
  _ source: UnsafePointer<Float>, _ begin: Int, _ end: Int, _ columns: Int, _ step: Int,
  _ out: UnsafeMutablePointer<Float>
) {
  if step == 1 {
    copyFloats(
      source, out + begin &* Vector.scalarCount, (end &- begin) &* Vector.scalarCount)
    return
  }
  var walk = PhaseWalk(begin, step)
  var source = source
  var i = begin
  while i < end {
    storeVector(loadVector(source), out + walk.offset(columns))
    walk.advance(step)
    source += Vector.scalarCount
    i &+= 1
  }
}

@inline(__always)
private func copyPlainRow(
  _ source: UnsafePointer<Float>, _ xChannel: Int, _ lanes: Int, _ begin: Int, _ end: Int,
  _ columns: Int, _ step: Int, _ out: UnsafeMutablePointer<Float>
) {
  let width = Vector.scalarCount
  if step == 1 {
    blockChannels(source, xChannel, lanes, end &- begin, out + begin &* width)
    return
  }
  var square = FloatSquare(repeating: 0)
  withUnsafeMutableBytes(of: &square) { bytes in
    let positions = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
    var walk = PhaseWalk(begin, step)
    var i = begin
    while i < end {
      let count = min(width, end &- i)
      blockChannels(source + (i &- begin), xChannel, lanes, count, positions)
      var p = 0
      while p < count {
        storeVector(loadVector(positions + p &* width), out + walk.offset(columns))
        walk.advance(step)
        p &+= 1
      }
      i &+= count
    }
  }
}
