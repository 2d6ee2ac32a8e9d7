import CKernels

// Convolution over channel blocks of words. The tile is `positions` adjacent positions times one or
// two output blocks: lanes are output channels, a word of each position is broadcast, and the sums
// never leave the registers. An element is bias + Σ, summed in one order whatever the tile.

/// See `apus_blocked_convolution`. For each pair of output blocks, whose weights stay in the cache:
/// the rows, two by two, each cut into the widest tiles that there are.
func blockedConvolve(
  _ convolution: UnsafePointer<apus_blocked_convolution>, _ x: UnsafePointer<Float>,
  _ weights: UnsafePointer<Float>, _ bias: UnsafePointer<Float>?, _ addend: UnsafePointer<Float>?,
  _ y: UnsafeMutablePointer<Float>
) {
  let c = convolution.pointee
  let width = Vector.scalarCount
  var weights = weights
  var block = 0
  while block < c.blocks {
    let vectors = min(2, c.blocks &- block)
    var row = 0
    while row < c.rows {
      let rows = min(2, c.rows &- row)
      var first = 0
      while first < c.width {
        let positions = tilePositions(c.width &- first)
        // A narrow tile takes both rows, as its halves.
        let isShared = rows == 2 && positions <= 7
        let half = (positions &+ 1) / 2
        var r = row
        while r < row &+ rows {
          let place = block &* c.y_block &+ r &* c.y_row &+ first &* width
          convolveTile(
            convolution, isShared ? 2 &* positions : positions, vectors,
            x + (r &* c.x_row &+ first &* c.x_position),
            isShared ? c.x_row : half &* c.x_position, weights,
            bias.map { $0 + block &* width }, addend.map { $0 + place }, y + place,
            isShared ? c.y_row : half &* width)
          r &+= isShared ? 2 : 1
        }
        first &+= positions
      }
      row &+= rows
    }
    weights += vectors &* width &* c.channels &* c.taps
    block &+= vectors
  }
}

/// Of the next tile: few sizes, since each has code of its own, but rows of 7, 14, 28 … fill them.
@inline(__always)
private func tilePositions(_ left: Int) -> Int {
  if left >= 14 { return 14 }
  if left >= 7 { return left == 7 ? 7 : 8 }
  return left >= 4 ? 4 : left >= 2 ? 2 : 1
}

/// Output blocks of a tile, a number that the compiler knows: each then has code of its own.
private typealias OneBlock = InlineArray<1, Int8>
private typealias TwoBlocks = InlineArray<2, Int8>

/// A tile of n positions and of m more, which stand `xHalf` and `yHalf` floats from them. The
/// compiler keeps short arrays in registers whatever the instruction that adds to them.
@inline(__always)
private func convolveTile<let n: Int, let m: Int, let vectors: Int>(
  _: InlineArray<n, Vector>.Type, _: InlineArray<m, Vector>.Type,
  _: InlineArray<vectors, Int8>.Type,
  _ convolution: UnsafePointer<apus_blocked_convolution>, _ x: UnsafePointer<Float>, _ xHalf: Int,
  _ weights: UnsafePointer<Float>, _ bias: UnsafePointer<Float>?,
  _ addend: UnsafePointer<Float>?, _ y: UnsafeMutablePointer<Float>, _ yHalf: Int
) {
  let width = Vector.scalarCount
  let start0 = bias.map { loadVector($0) } ?? Vector()
  let start1 = vectors == 1 ? Vector() : bias.map { loadVector($0 + width) } ?? Vector()
  var near0 = InlineArray<n, Vector>(repeating: start0)
  var near1 = InlineArray<n, Vector>(repeating: start1)
  var far0 = InlineArray<m, Vector>(repeating: start0)
  var far1 = InlineArray<m, Vector>(repeating: start1)
  let taps = convolution.pointee.taps
  let offsets = convolution.pointee.tap_offsets.unsafelyUnwrapped
  let blockStride = convolution.pointee.x_block
  let channelStride = convolution.pointee.x_channel
  // In bytes: the processor multiplies an index by 2, 4 or 8 on the way to memory.
  let step = convolution.pointee.x_position &* 4
  var channels = convolution.pointee.channels
  var room = blockedLanes &- convolution.pointee.first_lane
  var block = x
  var w = weights
  while channels > 0 {
    let lanes = min(room, channels)
    var tap = 0
    while tap < taps {
      var first = block + Int(offsets[tap])
      let end = first + lanes &* channelStride
      while first < end {
        let near = UnsafeRawPointer(apus_opaque(first).unsafelyUnwrapped)
        let far = near + xHalf &* 4
        let w0 = loadVector(w)
        let w1 = vectors == 1 ? w0 : loadVector(w + width)
        for p in 0..<n {
          let scalar = Vector(repeating: (near + p &* step).load(as: Float.self))
          near0[p] = multiplyAdd(scalar, w0, near0[p])
          if vectors > 1 { near1[p] = multiplyAdd(scalar, w1, near1[p]) }
        }
        for p in 0..<m {
          let scalar = Vector(repeating: (far + p &* step).load(as: Float.self))
          far0[p] = multiplyAdd(scalar, w0, far0[p])
          if vectors > 1 { far1[p] = multiplyAdd(scalar, w1, far1[p]) }
        }
        w += vectors &* width
        first += channelStride
      }
      tap &+= 1
    }
    channels &-= lanes
    block += blockStride &- (blockedLanes &- room) &* channelStride
    room = blockedLanes
  }
  let lower = Vector(repeating: convolution.pointee.minimum)
  let upper = Vector(repeating: convolution.pointee.maximum)
  storeTile(&near0, addend, y, lower, upper)
  storeTile(&far0, addend.map { $0 + yHalf }, y + yHalf, lower, upper)
  if vectors > 1 {
    let block = convolution.pointee.y_block
    storeTile(&near1, addend.map { $0 + block }, y + block, lower, upper)
    storeTile(&far1, addend.map { $0 + (block &+ yHalf) }, y + (block &+ yHalf), lower, upper)
  }
}

@inline(__always)
private func storeTile<let n: Int>(
  _ sums: inout InlineArray<n, Vector>, _ addend: UnsafePointer<Float>?,
  _ y: UnsafeMutablePointer<Float>, _ lower: Vector, _ upper: Vector
) {
  let width = Vector.scalarCount
  if let addend {
    for p in 0..<n { sums[p] += loadVector(addend + p &* width) }
  }
  for p in 0..<n { storeVector(clip(sums[p], lower, upper), y + p &* width) }
}

/// The tile of `positions`, one of those below, and `vectors` (1 or 2) output blocks.
@inline(never)
private func convolveTile(
  _ c: UnsafePointer<apus_blocked_convolution>, _ positions: Int, _ vectors: Int,
  _ x: UnsafePointer<Float>, _ xHalf: Int, _ w: UnsafePointer<Float>,
  _ bias: UnsafePointer<Float>?, _ addend: UnsafePointer<Float>?, _ y: UnsafeMutablePointer<Float>,
  _ yHalf: Int
) {
  @inline(__always)
  func run<let n: Int, let m: Int>(
    _ near: InlineArray<n, Vector>.Type, _ far: InlineArray<m, Vector>.Type
  ) {
    if vectors == 2 {
      convolveTile(near, far, TwoBlocks.self, c, x, xHalf, w, bias, addend, y, yHalf)
    } else {
      convolveTile(near, far, OneBlock.self, c, x, xHalf, w, bias, addend, y, yHalf)
    }
  }
  switch positions {
  case 1: run(InlineArray<1, Vector>.self, InlineArray<0, Vector>.self)
  case 2: run(InlineArray<1, Vector>.self, InlineArray<1, Vector>.self)
  case 4: run(InlineArray<2, Vector>.self, InlineArray<2, Vector>.self)
  case 7: run(InlineArray<4, Vector>.self, InlineArray<3, Vector>.self)
  case 8: run(InlineArray<4, Vector>.self, InlineArray<4, Vector>.self)
  case 14: run(InlineArray<7, Vector>.self, InlineArray<7, Vector>.self)
  default: break
  }
}
