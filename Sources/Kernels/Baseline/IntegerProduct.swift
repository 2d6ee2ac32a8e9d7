import CKernels

// The general products of integers, for any layout and any zero points. Only this module has them:
// what networks are made of are kernels over bytes with channels last, in Integer/.

/// Rows of the larger two of the three tiles, each with two vectors of columns: 4 x 2 sums, 2 of
/// columns, 1 broadcast and its product: 12 of 16 registers.
@inline(__always) private var integerTileRows: Int { 4 }
@inline(__always) private var smallIntegerTileRows: Int { 2 }
private typealias IntegerTile = InlineArray<8, IntVector>
private typealias SmallIntegerTile = InlineArray<4, IntVector>
/// Columns of a tile: two vectors.
@inline(__always) private var integerColumns: Int { 2 &* IntVector.scalarCount }
/// Bits of each number of a word.
@inline(__always) var wordBits: Int32 { 16 }

@inline(__always) func fillIntegers(_ table: UnsafeMutablePointer<apus_kernels>) {
  table.pointee.integer_columns = integerColumns
  table.pointee.integer_rows = integerTileRows
  table.pointee.integer_word_depth = wordDepth
  table.pointee.integer_pack_rows = { integerPackRows($0!, $1, $2, $3, $4, $5!, $6!) }
  table.pointee.integer_gather = { integerGather($0!, $1!, $2, $3, $4, $5, $6!) }
  table.pointee.integer_product = { integerProduct($0!) }
}

/// Rows of the panel that takes the next of `remaining` rows.
@inline(__always) private func integerPanelRows(_ remaining: Int) -> Int {
  if remaining > smallIntegerTileRows { return integerTileRows }
  return remaining > 1 ? smallIntegerTileRows : 1
}

/// Packs into panels of rows, [panel][words][panel rows], what is missing as zeros.
func integerPackRows(
  _ a: UnsafePointer<UInt8>, _ rows: Int, _ channels: Int, _ taps: Int, _ flip: Int,
  _ packed: UnsafeMutablePointer<Int32>, _ sums: UnsafeMutablePointer<Int32>
) {
  let words = taps &* ((channels &+ wordDepth &- 1) / wordDepth)
  let flip = UInt8(truncatingIfNeeded: flip)
  var first = 0
  while first < rows {
    let height = integerPanelRows(rows &- first)
    var r = 0
    while r < height {
      let row = first &+ r
      let source = a + row &* channels &* taps
      var out = packed + (first &* words &+ r)
      var tap = 0
      while tap < taps {
        var channel = 0
        while channel < channels {
          var word: Int32 = 0
          if row < rows {
            let p = source + (channel &* taps &+ tap)
            for i in 0..<wordDepth where channel &+ i < channels {
              let value = Int32(Int8(bitPattern: p[i &* taps] ^ flip)) & 0xFFFF
              word |= value &<< (Int32(truncatingIfNeeded: i) &* wordBits)
            }
          }
          out.pointee = word
          out += height
          channel &+= wordDepth
        }
        tap &+= 1
      }
      if row < rows { sums[row] = signedSum(source, channels &* taps, flip) }
      r &+= 1
    }
    first &+= height
  }
}

/// The sum of n bytes with a sign, the top bit of each flipped before where `flip` says so.
@inline(__always)
private func signedSum(_ p: UnsafePointer<UInt8>, _ n: Int, _ flip: UInt8) -> Int32 {
  // With the top bit flipped once more, each is 128 larger and has no sign.
  let flips = IntVector(repeating: Int32(flip ^ 0x80))
  var lanes = IntVector(repeating: 0)
  var i = 0
  while i &+ IntVector.scalarCount <= n {
    lanes = lanes &+ (widen(p + i) ^ flips)
    i &+= IntVector.scalarCount
  }
  var sum = lanes.wrappedSum()
  while i < n {
    sum &+= Int32(p[i] ^ flip ^ 0x80)
    i &+= 1
  }
  return sum &- 128 &* Int32(truncatingIfNeeded: n)
}

/// The sums of one tile, without start and zero points.
@inline(__always)
private func multiplyTile<let n: Int>(
  _: InlineArray<n, IntVector>.Type, rows: Int, _ words: Int, _ a: UnsafePointer<Int32>,
  _ b: UnsafePointer<Int32>, _ tile: UnsafeMutablePointer<Int32>
) {
  let width = IntVector.scalarCount
  var sums: InlineArray<n, IntVector> = InlineArray { _ in IntVector(repeating: 0) }
  var a = a
  var b = b
  var k = 0
  while k < words {
    let b0 = loadIntegers(b)
    let b1 = loadIntegers(b + width)
    for r in 0..<rows {
      sums[2 &* r] = dot(sums[2 &* r], b0, a[r])
      sums[2 &* r &+ 1] = dot(sums[2 &* r &+ 1], b1, a[r])
    }
    a += rows
    b += 2 &* width
    k &+= 1
  }
  for i in 0..<n { storeIntegers(sums[i], tile + i &* width) }
}

/// The same for a single row, by steps of four words, so that one product need not wait for
/// another.
@inline(__always)
private func multiplyRow(
  _ words: Int, _ a: UnsafePointer<Int32>, _ b: UnsafePointer<Int32>,
  _ tile: UnsafeMutablePointer<Int32>
) {
  let width = IntVector.scalarCount
  var sums: InlineArray<8, IntVector> = InlineArray { _ in IntVector(repeating: 0) }
  var k = 0
  while k &+ 4 <= words {
    for i in 0..<8 {
      sums[i] = dot(
        sums[i], loadIntegers(b + (2 &* k &+ i) &* width), a[k &+ i / 2])
    }
    k &+= 4
  }
  while k < words {
    for i in 0..<2 {
      sums[i] = dot(sums[i], loadIntegers(b + (2 &* k &+ i) &* width), a[k])
    }
    k &+= 1
  }
  for i in 0..<2 {
    storeIntegers((sums[i] &+ sums[i &+ 2]) &+ (sums[i &+ 4] &+ sums[i &+ 6]), tile + i &* width)
  }
}

/// Two vectors of each row.
private typealias TileBuffer = InlineArray<32, Int32>

func integerProduct(_ descriptor: UnsafePointer<apus_integer_product>) {
  let p = descriptor.pointee
  let words = p.words
  guard let a = p.a, let b = p.b else { return }
  var buffer = TileBuffer(repeating: 0)
  withUnsafeMutableBytes(of: &buffer) { bytes in
    let tile = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Int32.self)
    var row = 0
    while row < p.rows {
      let height = integerPanelRows(p.rows &- row)
      if height == integerTileRows {
        multiplyTile(
          IntegerTile.self, rows: integerTileRows, words, a + row &* words, b, tile)
      } else if height == smallIntegerTileRows {
        multiplyTile(
          SmallIntegerTile.self, rows: smallIntegerTileRows, words, a + row &* words, b, tile)
      } else {
        multiplyRow(words, a + row &* words, b, tile)
      }
      var r = row
      let end = min(p.rows, row &+ height)
      while r < end {
        finishRow(
          p, r, UnsafePointer(tile + (r &- row) &* integerColumns), b + words &* integerColumns)
        r &+= 1
      }
      row &+= height
    }
  }
}

/// Adds start and zero points to a row of the tile, and stores it.
@inline(__always)
private func finishRow(
  _ p: apus_integer_product, _ row: Int, _ tile: UnsafePointer<Int32>,
  _ columnSums: UnsafePointer<Int32>
) {
  let width = IntVector.scalarCount
  var first = 0
  while first < p.columns {
    var sum = loadIntegers(tile + first)
    if let zeros = p.a_zeros {
      sum = sum &- IntVector(repeating: zeros[row]) &* loadIntegers(columnSums + first)
    }
    if let zeros = p.b_zeros {
      sum = sum &- IntVector(repeating: p.a_sums[row]) &* loadIntegers(zeros + first)
    }
    finish(p, row, first, sum, row &* p.y_row_stride &+ first, min(width, p.columns &- first))
    first &+= width
  }
}

/// Adds the start to sums of a row, from column `first` on, and stores `valid` of them at y +
/// position.
@inline(__always)
func finish(
  _ p: apus_integer_product, _ row: Int, _ first: Int, _ sum: IntVector, _ position: Int,
  _ valid: Int
) {
  let sum = sum &+ IntVector(repeating: p.start[row])
  if let scales = p.a_scales {
    var scale = Vector(repeating: scales[row])
    if let columnScales = p.b_scales {
      let b = UnsafeRawPointer(columnScales + first).loadUnaligned(as: Vector.self)
      scale = scale * b / Vector(repeating: p.y_scale)
    }
    storeBytes(
      quantized(real(sum) * scale, p.y_lower, p.y_upper) &+ IntVector(repeating: p.y_zero),
      p.y.assumingMemoryBound(to: UInt8.self) + position, valid)
    return
  }
  let y = p.y.assumingMemoryBound(to: Int32.self) + position
  if valid == IntVector.scalarCount {
    storeIntegers(sum, y)
    return
  }
  withUnsafeBytes(of: sum) { bytes in
    let lanes = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Int32.self)
    var i = 0
    while i < valid {
      y[i] = lanes[i]
      i &+= 1
    }
  }
}
