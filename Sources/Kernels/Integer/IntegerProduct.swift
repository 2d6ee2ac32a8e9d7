import CKernels

/// Columns of a tile: two vectors.
@inline(__always) private var integerColumns: Int { 2 &* IntVector.scalarCount }

@inline(__always) func fillIntegers(_ table: UnsafeMutablePointer<apus_kernels>) {
  table.pointee.integer_columns = integerColumns
  table.pointee.integer_rows = integerTileRows
  table.pointee.integer_word_depth = wordDepth
  table.pointee.integer_pack_rows = { integerPackRows($0!, $1, $2, $3, $4!, $5!) }
  table.pointee.integer_gather = { integerGather($0!, $1!, $2, $3, $4, $5!) }
  table.pointee.integer_product = { integerProduct($0!) }
}

@inline(__always) func loadIntegers(_ p: UnsafePointer<Int32>) -> IntVector {
  UnsafeRawPointer(p).loadUnaligned(as: IntVector.self)
}

@inline(__always) func storeIntegers(_ v: IntVector, _ p: UnsafeMutablePointer<Int32>) {
  UnsafeMutableRawPointer(p).storeBytes(of: v, as: IntVector.self)
}

@inline(__always) private func words(_ depth: Int) -> Int {
  (depth &+ wordDepth &- 1) / wordDepth
}

/// Rows of the panel that takes the next of `remaining` rows.
@inline(__always) private func integerPanelRows(_ remaining: Int) -> Int {
  remaining > smallIntegerTileRows ? integerTileRows : smallIntegerTileRows
}

/// Packs into panels of rows, [panel][words][panel rows], what is missing as zeros.
func integerPackRows(
  _ a: UnsafePointer<UInt8>, _ rows: Int, _ depth: Int, _ flip: Int,
  _ packed: UnsafeMutablePointer<Int32>, _ sums: UnsafeMutablePointer<Int32>
) {
  let words = words(depth)
  let flip = UInt8(truncatingIfNeeded: flip)
  let mask: Int32 = wordBits == 8 ? 0xFF : 0xFFFF
  var first = 0
  while first < rows {
    let height = integerPanelRows(rows &- first)
    let panel = packed + first &* words
    var r = 0
    while r < height {
      let row = first &+ r
      let source = a + row &* depth
      var sum: Int32 = 0
      var k = 0
      var out = panel + r
      while k < depth {
        var word: Int32 = 0
        var shift: Int32 = 0
        let end = row < rows ? min(depth, k &+ wordDepth) : k
        var i = k
        while i < end {
          let value = Int32(Int8(bitPattern: source[i] ^ flip))
          sum &+= value
          word |= (value & mask) &<< shift
          shift &+= wordBits
          i &+= 1
        }
        out.pointee = word
        out += height
        k &+= wordDepth
      }
      if row < rows { sums[row] = sum }
      r &+= 1
    }
    first &+= height
  }
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

/// One row of 12 x 2 vectors of 16.
private typealias TileBuffer = InlineArray<384, Int32>

func integerProduct(_ descriptor: UnsafePointer<apus_integer_product>) {
  let p = descriptor.pointee
  let words = words(p.depth)
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
      } else {
        multiplyTile(
          SmallIntegerTile.self, rows: smallIntegerTileRows, words, a + row &* words, b, tile)
      }
      var r = row
      let end = min(p.rows, row &+ height)
      while r < end {
        finishRow(p, r, UnsafePointer(tile + (r &- row) &* integerColumns), b + words &* integerColumns)
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
  let start = IntVector(repeating: p.start[row])
  let position = row &* p.y_row_stride
  var part = InlineArray<16, Int32>(repeating: 0)
  var first = 0
  while first < p.columns {
    let valid = min(width, p.columns &- first)
    var sum = loadIntegers(tile + first) &+ start
    if let zeros = p.a_zeros {
      sum = sum &- IntVector(repeating: zeros[row]) &* loadIntegers(columnSums + first)
    }
    if let zeros = p.b_zeros {
      sum = sum &- IntVector(repeating: p.a_sums[row]) &* loadIntegers(zeros + first)
    }
    if let scales = p.a_scales {
      var scale = Vector(repeating: scales[row])
      if let columnScales = p.b_scales {
        let b = UnsafeRawPointer(columnScales + first).loadUnaligned(as: Vector.self)
        scale = scale * b / Vector(repeating: p.y_scale)
      }
      let byte =
        quantized(real(sum) * scale, p.y_lower, p.y_upper) &+ IntVector(repeating: p.y_zero)
      let y = p.y.assumingMemoryBound(to: UInt8.self) + (position &+ first)
      storeBytes(byte, y, valid)
    } else {
      let y = p.y.assumingMemoryBound(to: Int32.self) + (position &+ first)
      if valid == width {
        storeIntegers(sum, y)
      } else {
        withUnsafeMutableBytes(of: &part) { bytes in
          let lanes = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Int32.self)
          storeIntegers(sum, lanes)
          var i = 0
          while i < valid {
            y[i] = lanes[i]
            i &+= 1
          }
        }
      }
    }
    first &+= width
  }
}

/// Stores the low byte of the first `n` lanes.
@inline(__always)
func storeBytes(_ v: IntVector, _ y: UnsafeMutablePointer<UInt8>, _ n: Int) {
  if n >= IntVector.scalarCount {
    narrow(v, y)
    return
  }
  var part = InlineArray<16, UInt8>(repeating: 0)
  withUnsafeMutableBytes(of: &part) { bytes in
    let lanes = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
    narrow(v, lanes)
    var i = 0
    while i < n {
      y[i] = lanes[i]
      i &+= 1
    }
  }
}
