import CKernels

// Convolution of channels-last bytes. A tile is some positions times two vectors of output channels:
// lanes are output channels, a word of the input of each position is broadcast, and the sums never
// leave the registers. Sums of integers have no order, so tiles overlap where rows do not divide.

@inline(__always) func fillBytes(_ table: UnsafeMutablePointer<apus_kernels>) {
  table.pointee.byte_lanes = IntVector.scalarCount
  table.pointee.byte_word_depth = wordDepth
  table.pointee.byte_convolve = { byteConvolve($0!, $1!, $2!, $3!) }
  table.pointee.byte_depthwise = { byteDepthwise($0!, $1!, $2!) }
  table.pointee.integer_gemv = { integerGemv($0!, $1, $2, $3!) }
  table.pointee.byte_add = { byteAdd($0!, $1!, $2!, $3!, $4) }
  table.pointee.byte_max_pool = { byteMaxPool($0!, $1!, $2!) }
}

/// See `apus_byte_convolution`. For each pair of vectors, whose weights stay in the cache: all rows,
/// cut into halves of tiles, of the same width or, if that is the widest, some narrower by one.
func byteConvolve(
  _ convolution: UnsafePointer<apus_byte_convolution>, _ x: UnsafePointer<UInt8>,
  _ weights: UnsafePointer<Int32>, _ y: UnsafeMutablePointer<UInt8>
) {
  var buffer = SumBuffer(repeating: 0)
  withUnsafeMutableBytes(of: &buffer) { bytes in
    byteConvolve(
      convolution, x, weights, y,
      bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Int32.self))
  }
}

@inline(__always)
private func byteConvolve(
  _ convolution: UnsafePointer<apus_byte_convolution>, _ x: UnsafePointer<UInt8>,
  _ weights: UnsafePointer<Int32>, _ y: UnsafeMutablePointer<UInt8>,
  _ sums: UnsafeMutablePointer<Int32>
) {
  let c = convolution.pointee
  let lanes = IntVector.scalarCount
  let halvesOfRow = (c.width &+ bytePositions &- 1) / bytePositions
  let positions = (c.width &+ halvesOfRow &- 1) / halvesOfRow
  let halves = c.rows &* halvesOfRow
  // Halves from this one on are narrower; where none are, the last one overlaps the one before.
  let firstNarrow =
    positions == bytePositions
    ? halvesOfRow &- (positions &* halvesOfRow &- c.width) : halvesOfRow
  let offsets = c.tap_offsets.unsafelyUnwrapped
  var weights = weights
  var channel = 0
  let end = c.blocks &* Int(APUS_BYTE_BLOCK)
  while channel < end {
    let vectors = end &- channel > lanes ? 2 : 1
    let wordsOfTap = vectors &* lanes &* c.words
    var tile = ByteTile(
      sums: sums, convolution: convolution, channel: channel, weights: weights, offsets: offsets,
      taps: 0, near: x, far: x, nearY: y, farY: y, skipsFirst: false, skipsLast: false)
    var (near, far) = (0, 0)
    var (firstTap, lastTap) = (0, 0)
    var half = 0
    var (place, top) = (0, c.top)
    var (sourceRow, targetRow) = (x, y + channel)
    while half < halves {
      // The half before comes to be far.
      (tile.far, tile.farY, far) = (tile.near, tile.nearY, near)
      near = place < firstNarrow ? positions : positions &- 1
      let column = min(place &* positions &- max(0, place &- firstNarrow), c.width &- near)
      tile.near = sourceRow + column &* c.x_position
      tile.nearY = targetRow + column &* c.y_position
      let isFirst = half & 1 == 0
      if isFirst {
        (firstTap, lastTap) = (c.taps, 0)
        tile.skipsFirst = place == 0 && c.skips_first != 0
      }
      firstTap = min(firstTap, max(0, 0 &- top) &* c.row_taps)
      lastTap = max(lastTap, min(c.taps, (c.height &- top) &* c.row_taps))
      place &+= 1
      tile.skipsLast = place == halvesOfRow && c.skips_last != 0
      if place == halvesOfRow {
        place = 0
        top &+= c.row_step
        sourceRow += c.x_row
        targetRow += c.y_row
      }
      half &+= 1
      if isFirst {
        if half < halves { continue }
        (tile.far, tile.farY, far) = (tile.near, tile.nearY, 0)
      } else if near <= far {
        // The wider one is near, or the first.
        swap(&tile.near, &tile.far)
        swap(&tile.nearY, &tile.farY)
        swap(&near, &far)
      }
      tile.taps = lastTap &- firstTap
      tile.offsets = offsets + firstTap
      tile.weights = weights + wordsOfTap &* firstTap
      convolveTile(tile, near: near, far: far, vectors)
    }
    weights += wordsOfTap &* c.taps
    channel &+= vectors &* lanes
  }
}

/// Two halves of a tile: where they read and write, from output channel `channel` on. `sums` has room
/// for those of all positions.
private struct ByteTile {
  let sums: UnsafeMutablePointer<Int32>
  let convolution: UnsafePointer<apus_byte_convolution>
  let channel: Int
  /// Those of the taps that are not zeros.
  var weights: UnsafePointer<Int32>
  var offsets: UnsafePointer<Int32>
  var taps: Int
  var near: UnsafePointer<UInt8>
  var far: UnsafePointer<UInt8>
  var nearY: UnsafeMutablePointer<UInt8>
  var farY: UnsafeMutablePointer<UInt8>
  /// Whether the first column of the first position's window is left out, and the last of the last's.
  var skipsFirst: Bool
  var skipsLast: Bool
}

/// Vectors of a tile, a number that the compiler knows: each then has code of its own.
private typealias OneVector = InlineArray<1, Int8>
private typealias TwoVectors = InlineArray<2, Int8>

/// A tile of n positions, the second half of them far, which is narrower by one where n is odd; all near
/// where they are the widest half alone.
@inline(__always)
private func convolveTile<let n: Int, let vectors: Int>(
  _: InlineArray<n, IntVector>.Type, _: InlineArray<vectors, Int8>.Type, _ tile: ByteTile
) {
  let lanes = IntVector.scalarCount
  let half = n == bytePositions ? n : (n &+ 1) / 2
  let c = tile.convolution
  let step = c.pointee.x_position
  let distance = tile.far - tile.near
  let depth = 4 &* c.pointee.words
  let starts = c.pointee.start.unsafelyUnwrapped + tile.channel
  let start0 = loadIntegers(starts)
  let start1 = vectors == 2 ? loadIntegers(starts + lanes) : start0
  var sums0 = InlineArray<n, IntVector>(repeating: start0)
  var sums1 = InlineArray<n, IntVector>(repeating: start1)
  var w = tile.weights
  var (tap, column) = (0, 0)
  while tap < tile.taps {
    var first = tile.near + Int(tile.offsets[tap])
    let end = first + depth

    /// Adds the tap to the sums of the positions from `low` on, below `high`.
    @inline(__always)
    func addTap(_ low: Int, _ high: Int) {
      while first < end {
        let near = UnsafeRawPointer(apus_opaque_bytes(first).unsafelyUnwrapped)
        let far = near + distance
        let w0 = loadIntegers(w)
        let w1 = vectors == 2 ? loadIntegers(w + lanes) : w0

        @inline(__always)
        func add(_ p: Int, _ x: UnsafeRawPointer) {
          let word = x.loadUnaligned(as: Int32.self)
          sums0[p] = dot(sums0[p], word: word, w0)
          if vectors == 2 { sums1[p] = dot(sums1[p], word: word, w1) }
        }
        for p in low..<half { add(p, near + p &* step) }
        for p in half..<high { add(p, far + (p &- half) &* step) }
        w += vectors &* lanes
        first += 4
      }
    }
    if n == 14 && vectors == 2 && wordDepth == 4 {
      let isLast = column &+ 1 == c.pointee.row_taps
      if tile.skipsFirst && column == 0 {
        addTap(1, n)
      } else if tile.skipsLast && isLast {
        addTap(0, n &- 1)
      } else {
        addTap(0, n)
      }
      column = isLast ? 0 : column &+ 1
    } else {
      addTap(0, n)
    }
    tap &+= 1
  }

  // What most positions of a layer are in stays in registers. No loops, whose sums would be kept in
  // memory beside the registers.
  if half == bytePositions && n > half {
    let finish = ByteFinish(tile, vectors, half)
    if vectors == 1 {
      // A tile of 13 has two vectors: see below.
      if n != 14 { return }

      @inline(__always)
      func store(_ p: Int) {
        finish.store(
          (sums0[p], sums0[p &+ 1]), (sums0[p &+ 2], sums0[p &+ 3]), p, p &+ 1, p &+ 2, p &+ 3)
      }
      store(0)
      store(4)
      store(8)
      store(10)
      return
    }

    @inline(__always)
    func store(_ p: Int) {
      if p >= n { return }
      let q = min(p &+ 1, n &- 1)
      finish.store((sums0[p], sums1[p]), (sums0[q], sums1[q]), p, q)
    }
    store(0)
    store(2)
    store(4)
    store(6)
    store(8)
    store(10)
    store(12)
    return
  }
  for p in 0..<n {
    storeIntegers(sums0[p], tile.sums + p &* vectors &* lanes)
    if vectors == 2 { storeIntegers(sums1[p], tile.sums + (p &* 2 &+ 1) &* lanes) }
  }
  finishTile(tile, n, half, vectors)
}

/// Two vectors of each position of the widest tile.
private typealias SumBuffer = InlineArray<448, Int32>

/// The sums of n positions, as bytes.
@inline(never)
private func finishTile(
  _ tile: ByteTile, _ n: Int, _ half: Int, _ vectors: Int
) {
  let lanes = IntVector.scalarCount
  let finish = ByteFinish(tile, vectors, half)

  @inline(__always) func sum(_ i: Int) -> IntVector {
    loadIntegers(UnsafePointer(tile.sums) + i &* lanes)
  }
  var p = 0
  while p < n {
    let q = min(p &+ 1, n &- 1)
    if vectors == 2 {
      finish.store((sum(2 &* p), sum(2 &* p &+ 1)), (sum(2 &* q), sum(2 &* q &+ 1)), p, q)
      p &+= 2
    } else if lanes == Int(APUS_BYTE_BLOCK) {
      let (r, s) = (min(p &+ 2, n &- 1), min(p &+ 3, n &- 1))
      finish.store((sum(p), sum(q)), (sum(r), sum(s)), p, q, r, s)
      p &+= 4
    }
  }
}

/// What makes bytes of a tile's sums, `half` of whose positions are near.
private struct ByteFinish {
  let tile: ByteTile
  let half: Int
  let scales: (Vector, Vector)

  @inline(__always) init(_ tile: ByteTile, _ vectors: Int, _ half: Int) {
    self.tile = tile
    self.half = half
    let scales = UnsafeRawPointer(tile.convolution.pointee.scale.unsafelyUnwrapped + tile.channel)
    let first = scales.loadUnaligned(as: Vector.self)
    let second = 4 &* IntVector.scalarCount
    self.scales = (
      first, vectors == 2 ? scales.loadUnaligned(fromByteOffset: second, as: Vector.self) : first
    )
  }

  /// Two vectors of each of two positions.
  @inline(__always)
  func store(
    _ a: (IntVector, IntVector), _ b: (IntVector, IntVector), _ p: Int, _ q: Int
  ) {
    storeHalves(requantize(a, b, scales, tile.convolution.pointee), place(p), place(q))
  }

  /// One vector of each of four positions.
  @inline(__always)
  func store(
    _ a: (IntVector, IntVector), _ b: (IntVector, IntVector), _ p: Int, _ q: Int, _ r: Int,
    _ s: Int
  ) {
    storeQuarters(
      requantize(a, b, scales, tile.convolution.pointee), place(p), place(q), place(r), place(s))
  }

  @inline(__always)
  private func place(_ p: Int) -> UnsafeMutablePointer<UInt8> {
    let step = tile.convolution.pointee.y_position
    return p < half ? tile.nearY + p &* step : tile.farY + (p &- half) &* step
  }
}

/// A tile of two halves of so many positions; far: 0 where there is one half.
@inline(never)
private func convolveTile(_ tile: ByteTile, near: Int, far: Int, _ vectors: Int) {
  var tile = tile

  @inline(__always)
  func run<let n: Int>(_ type: InlineArray<n, IntVector>.Type) {
    if vectors == 2 {
      convolveTile(type, TwoVectors.self, tile)
    } else if IntVector.scalarCount == Int(APUS_BYTE_BLOCK) {
      convolveTile(type, OneVector.self, tile)
    }
  }
  if near == bytePositions && far == 0 {
    if bytePositions == 7 {
      run(InlineArray<7, IntVector>.self)
    } else {
      run(InlineArray<3, IntVector>.self)
    }
    return
  }
  if far > 0 && far < near {
    if bytePositions == 7 && vectors == 2 {
      convolveTile(InlineArray<13, IntVector>.self, TwoVectors.self, tile)
      return
    }
    // Less to gain than code to keep: it takes up the position before it as well.
    tile.far -= tile.convolution.pointee.x_position
    tile.farY -= tile.convolution.pointee.y_position
  }
  // Half a tile that has no other is computed twice.
  switch near {
  case 1: run(InlineArray<2, IntVector>.self)
  case 2: run(InlineArray<4, IntVector>.self)
  case 3: run(InlineArray<6, IntVector>.self)
  case 4 where bytePositions >= 4: run(InlineArray<8, IntVector>.self)
  case 5 where bytePositions >= 5: run(InlineArray<10, IntVector>.self)
  case 6 where bytePositions >= 6: run(InlineArray<12, IntVector>.self)
  case 7 where bytePositions >= 7: run(InlineArray<14, IntVector>.self)
  default: break
  }
}
