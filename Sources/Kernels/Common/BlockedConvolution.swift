import CKernels

// Convolution over channel blocks. The tile is `positions` adjacent positions times one or two
// output blocks: lanes are output channels, an input channel of each position is broadcast, and the
// sums never leave the registers. An element is bias + Σ, summed in one order whatever the tile.

/// Floats of packed weights.
func blockedPackedCount(_ rows: Int, _ channels: Int, _ taps: Int) -> Int {
  (rows &+ Vector.scalarCount &- 1) / Vector.scalarCount &* Vector.scalarCount &* channels &* taps
}

/// Packs the weights as [pair of output blocks][channel block][tap][channel][2V].
func blockedPack(
  _ w: UnsafePointer<Float>, _ rows: Int, _ rowStride: Int, _ channels: Int, _ channelStride: Int,
  _ taps: Int, _ tapIndex: UnsafePointer<Int32>, _ packed: UnsafeMutablePointer<Float>
) {
  let width = Vector.scalarCount
  var out = packed
  var first = 0
  while first < rows {
    let lanes = rows &- first > width ? 2 &* width : width
    let valid = min(lanes, rows &- first)
    var block = 0
    while block < channels {
      let end = min(block &+ width, channels)
      var tap = 0
      while tap < taps {
        var channel = block
        while channel < end {
          let source =
            w + (first &* rowStride &+ channel &* channelStride &+ Int(tapIndex[tap]))
          var lane = 0
          while lane < lanes {
            out[lane] = lane < valid ? source[lane &* rowStride] : 0
            lane &+= 1
          }
          out += lanes
          channel &+= 1
        }
        tap &+= 1
      }
      block = end
    }
    first &+= lanes
  }
}

/// See `apus_blocked_convolution`. For each pair of output blocks, whose weights stay in the cache:
/// the rows, two by two, each cut into tiles of nearly the same width.
func blockedConvolve(
  _ convolution: UnsafePointer<apus_blocked_convolution>, _ x: UnsafePointer<Float>,
  _ weights: UnsafePointer<Float>, _ bias: UnsafePointer<Float>?, _ addend: UnsafePointer<Float>?,
  _ y: UnsafeMutablePointer<Float>
) {
  let c = convolution.pointee
  let width = Vector.scalarCount
  let tiles = (c.width &+ blockedPositions &- 1) / blockedPositions
  let most = (c.width &+ tiles &- 1) / tiles
  // The others have one position less.
  let wide = c.width &- tiles &* (most &- 1)
  var weights = weights
  var block = 0
  while block < c.blocks {
    let vectors = min(2, c.blocks &- block)
    let isHalf = block &+ 2 == c.blocks && 2 &* c.last_lanes <= width
    var row = 0
    while row < c.rows {
      let rows = min(2, c.rows &- row)
      var first = 0
      var positions = most
      var count = wide
      while first < c.width {
        // A narrow tile takes both rows, as its halves.
        let isShared = rows == 2 && 2 &* positions <= blockedPositions
        let half = (positions &+ 1) / 2
        var r = row
        while r < row &+ rows {
          let place = block &* c.y_block &+ r &* c.y_row &+ first &* width
          convolveTiles(
            TileRun(
              convolution: convolution, weights: weights, bias: bias.map { $0 + block &* width },
              xHalf: isShared ? c.x_row : half &* c.x_position,
              yHalf: isShared ? c.y_row : half &* width, count: count,
              xStep: positions &* c.x_position, yStep: positions &* width),
            isShared ? 2 &* positions : positions, isHalf ? 3 : 2 &* vectors,
            x + (r &* c.x_row &+ first &* c.x_position), addend.map { $0 + place }, y + place)
          r &+= isShared ? 2 : 1
        }
        first &+= count &* positions
        positions &-= 1
        count = tiles &- count
      }
      row &+= rows
    }
    weights += vectors &* width &* c.channels &* c.taps
    block &+= vectors
  }
}

/// Tiles side by side, `xStep` and `yStep` floats from one to the next. The second half of each
/// stands `xHalf` and `yHalf` floats from its first.
private struct TileRun {
  let convolution: UnsafePointer<apus_blocked_convolution>
  let weights: UnsafePointer<Float>
  let bias: UnsafePointer<Float>?
  let xHalf: Int
  let yHalf: Int
  let count: Int
  let xStep: Int
  let yStep: Int

  /// The same of only so many positions side by side, again in two halves.
  func parted(_ positions: Int) -> TileRun {
    let half = (positions &+ 1) / 2
    return TileRun(
      convolution: convolution, weights: weights, bias: bias,
      xHalf: half &* convolution.pointee.x_position, yHalf: half &* Vector.scalarCount,
      count: count, xStep: xStep, yStep: yStep)
  }
}

/// Output blocks of a tile, in halves, a number that the compiler knows: each then has code of its
/// own.
private typealias OneBlock = InlineArray<2, Int8>
private typealias OneBlockAndAHalf = InlineArray<3, Int8>
private typealias TwoBlocks = InlineArray<4, Int8>

/// Tiles of n positions.
@inline(__always)
private func convolveTiles<let n: Int, let halves: Int>(
  _: InlineArray<n, Vector>.Type, _: InlineArray<halves, Int8>.Type, _ run: TileRun,
  _ x: UnsafePointer<Float>, _ addend: UnsafePointer<Float>?, _ y: UnsafeMutablePointer<Float>
) {
  let width = Vector.scalarCount
  let half = (n &+ 1) / 2
  let convolution = run.convolution
  let taps = convolution.pointee.taps
  let offsets = convolution.pointee.tap_offsets.unsafelyUnwrapped
  let blockStride = convolution.pointee.x_block
  let channelStride = convolution.pointee.x_channel
  // In bytes: the processor multiplies an index by 2, 4 or 8 on the way to memory.
  let step = convolution.pointee.x_position &* 4
  let xHalf = run.xHalf &* 4
  let lower = convolution.pointee.minimum
  let upper = convolution.pointee.maximum
  let yBlock = convolution.pointee.y_block
  let bias0 = run.bias.map { loadVector($0) } ?? Vector()
  let bias1 = halves == 2 ? bias0 : run.bias.map { loadVector($0 + width) } ?? Vector()
  var x = x
  var place = 0
  var left = run.count
  while left > 0 {
    var sums0 = InlineArray<n, Vector>(repeating: bias0)
    var sums1 = InlineArray<n, Vector>(repeating: bias1)
    var halfSums = InlineArray<n, HalfVector>(repeating: bias1.lowHalf)
    var channels = convolution.pointee.channels
    var room = width &- convolution.pointee.first_lane
    var block = x
    var w = run.weights
    while channels > 0 {
      let lanes = min(room, channels)
      var tap = 0
      while tap < taps {
        var first = block + Int(offsets[tap])
        let end = first + lanes &* channelStride
        while first < end {
          let near = UnsafeRawPointer(apus_opaque(first).unsafelyUnwrapped)
          let far = near + xHalf
          let w0 = loadVector(w)
          let w1 = halves == 4 ? loadVector(w + width) : w0
          let halfWeights = halves == 3 ? loadHalf(w + width) : w0.lowHalf

          @inline(__always)
          func add(_ p: Int, _ x: UnsafeRawPointer) {
            let scalar = Vector(repeating: x.load(as: Float.self))
            sums0[p] = multiplyAdd(scalar, w0, sums0[p])
            if halves == 4 { sums1[p] = multiplyAdd(scalar, w1, sums1[p]) }
            if halves == 3 {
              halfSums[p] = multiplyAdd(scalar.lowHalf, halfWeights, halfSums[p])
            }
          }
          for p in 0..<half { add(p, near + p &* step) }
          for p in 0..<(n &- half) { add(half &+ p, far + p &* step) }
          w += halves == 2 ? width : 2 &* width
          first += channelStride
        }
        tap &+= 1
      }
      channels &-= lanes
      block += blockStride &- (width &- room) &* channelStride
      room = width
    }
    storeTile(&sums0, addend.map { $0 + place }, y + place, run.yHalf, lower, upper)
    if halves == 3 {
      // The lanes beyond hold what a sum of zeros has.
      for p in 0..<n { sums1[p].lowHalf = halfSums[p] }
    }
    if halves > 2 {
      storeTile(
        &sums1, addend.map { $0 + (place &+ yBlock) }, y + (place &+ yBlock), run.yHalf, lower,
        upper)
    }
    x += run.xStep
    place &+= run.yStep
    left &-= 1
  }
}

@inline(__always)
private func storeTile<let n: Int>(
  _ sums: inout InlineArray<n, Vector>, _ addend: UnsafePointer<Float>?,
  _ y: UnsafeMutablePointer<Float>, _ yHalf: Int, _ lower: Float, _ upper: Float
) {
  let lower = Vector(repeating: lower)
  let upper = Vector(repeating: upper)
  let half = (n &+ 1) / 2
  @inline(__always)
  func place(_ p: Int) -> Int {
    p < half ? p &* Vector.scalarCount : yHalf &+ (p &- half) &* Vector.scalarCount
  }
  if let addend {
    for p in 0..<half { sums[p] += loadVector(addend + place(p)) }
    for p in half..<n { sums[p] += loadVector(addend + place(p)) }
  }
  for p in 0..<half { storeVector(clip(sums[p], lower, upper), y + place(p)) }
  for p in half..<n { storeVector(clip(sums[p], lower, upper), y + place(p)) }
}

/// Tiles of `positions` ≤ blockedPositions and of so many halves of output blocks: 2, 3 or 4.
@inline(never)
private func convolveTiles(
  _ tiles: TileRun, _ positions: Int, _ halves: Int, _ x: UnsafePointer<Float>,
  _ addend: UnsafePointer<Float>?, _ y: UnsafeMutablePointer<Float>
) {
  if halves == 2 && positions > 7 && positions < blockedPositions {
    // So rare that they have no code of their own: one tile for each half.
    let half = (positions &+ 1) / 2
    convolveTiles(tiles.parted(half), half, 2, x, addend, y)
    let place = tiles.yHalf
    convolveTiles(
      tiles.parted(positions &- half), positions &- half, 2, x + tiles.xHalf,
      addend.map { $0 + place }, y + place)
    return
  }

  @inline(__always)
  func run<let n: Int>(_ tile: InlineArray<n, Vector>.Type) {
    // Only the widest tiles, which nearly all positions of a layer are in.
    if Vector.scalarCount == 16 && n == blockedPositions && halves == 3 {
      convolveTiles(tile, OneBlockAndAHalf.self, tiles, x, addend, y)
    } else if halves > 2 {
      convolveTiles(tile, TwoBlocks.self, tiles, x, addend, y)
    } else if n <= 7 || n == blockedPositions {
      convolveTiles(tile, OneBlock.self, tiles, x, addend, y)
    }
  }
  switch positions {
  case 1: run(InlineArray<1, Vector>.self)
  case 2: run(InlineArray<2, Vector>.self)
  case 3: run(InlineArray<3, Vector>.self)
  case 4: run(InlineArray<4, Vector>.self)
  case 5: run(InlineArray<5, Vector>.self)
  case 6: run(InlineArray<6, Vector>.self)
  case 7 where blockedPositions >= 7: run(InlineArray<7, Vector>.self)
  case 8 where blockedPositions >= 8: run(InlineArray<8, Vector>.self)
  case 9 where blockedPositions >= 9: run(InlineArray<9, Vector>.self)
  case 10 where blockedPositions >= 10: run(InlineArray<10, Vector>.self)
  case 11 where blockedPositions >= 11: run(InlineArray<11, Vector>.self)
  case 12 where blockedPositions >= 12: run(InlineArray<12, Vector>.self)
  case 13 where blockedPositions >= 13: run(InlineArray<13, Vector>.self)
  case 14 where blockedPositions >= 14: run(InlineArray<14, Vector>.self)
  default: break
  }
}
