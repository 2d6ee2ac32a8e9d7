// The register tile under every matrix product and convolution: rows of A are broadcast, columns
// of B fill the lanes, and rows x vectors accumulators never leave the registers. An element is
// start + a[0]·b[0] + a[1]·b[1] + …, in that order whatever the tile, so that an element's bits
// never depend on which tile computed it.

/// Columns of a tile of two vectors.
@inline(__always) var tileColumns: Int { 2 &* Vector.scalarCount }

/// Rows of the panel that takes the next of `remaining` rows. What is left over after whole panels
/// goes into the smallest panel that holds it; the packing pads it with zeros.
@inline(__always) func panelRows(_ remaining: Int) -> Int {
  if remaining > middleTileRows { return tileRows }
  return remaining > smallTileRows ? middleTileRows : smallTileRows
}

/// Where row k of B starts: `b + k · stride`, or `b + table[k]` where there is a table.
struct RowAddressing {
  let stride: Int
  let table: UnsafePointer<Int32>?
}

/// C = clip(start + A·B) for one tile.
///
/// - Parameters:
///   - a: [depth][rows], packed.
///   - bias: what each row starts from; nil: from C as it is.
///   - c: [rows][vectors · scalarCount], rows `cStride` apart; written in full.
@inline(__always)
private func multiplyTile<let n: Int>(
  _: InlineArray<n, Vector>.Type, rows: Int, vectors: Int, hasTable: Bool,
  _ depth: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ addressing: RowAddressing,
  _ bias: UnsafePointer<Float>?, _ c: UnsafeMutablePointer<Float>, _ cStride: Int,
  _ lower: Float, _ upper: Float
) {
  let width = Vector.scalarCount
  var sums: InlineArray<n, Vector>
  if let bias {
    sums = InlineArray { i in Vector(repeating: bias[i / vectors]) }
  } else {
    sums = InlineArray { i in
      loadVector(c + ((i / vectors) &* cStride &+ (i % vectors) &* width))
    }
  }
  var a = a
  var b = b
  var k = 0
  while k < depth {
    var row = b
    if hasTable {
      row = b + Int(addressing.table.unsafelyUnwrapped[k])
    } else {
      b += addressing.stride
    }
    let b0 = loadVector(row)
    if vectors == 2 {
      let b1 = loadVector(row + width)
      for r in 0..<rows {
        let scalar = Vector(repeating: a[r])
        sums[2 &* r] = multiplyAdd(scalar, b0, sums[2 &* r])
        sums[2 &* r &+ 1] = multiplyAdd(scalar, b1, sums[2 &* r &+ 1])
      }
    } else {
      for r in 0..<rows {
        sums[r] = multiplyAdd(Vector(repeating: a[r]), b0, sums[r])
      }
    }
    a += rows
    k &+= 1
  }
  let lower = Vector(repeating: lower)
  let upper = Vector(repeating: upper)
  for r in 0..<rows {
    for v in 0..<vectors {
      storeVector(clip(sums[r &* vectors &+ v], lower, upper), c + (r &* cStride &+ v &* width))
    }
  }
}

/// `multiplyTile` for the tile of `rows` (one of the three heights) and `vectors` (1 or 2).
@inline(__always)
private func multiplyTile(
  hasTable: Bool, _ rows: Int, _ vectors: Int, _ depth: Int, _ a: UnsafePointer<Float>,
  _ b: UnsafePointer<Float>, _ addressing: RowAddressing, _ bias: UnsafePointer<Float>?,
  _ c: UnsafeMutablePointer<Float>, _ cStride: Int, _ lower: Float, _ upper: Float
) {
  if rows == tileRows {
    if vectors == 2 {
      multiplyTile(
        WideTile.self, rows: tileRows, vectors: 2, hasTable: hasTable, depth, a, b, addressing,
        bias, c, cStride, lower, upper)
    } else {
      multiplyTile(
        NarrowTile.self, rows: tileRows, vectors: 1, hasTable: hasTable, depth, a, b, addressing,
        bias, c, cStride, lower, upper)
    }
  } else if rows == middleTileRows {
    if vectors == 2 {
      multiplyTile(
        MiddleWideTile.self, rows: middleTileRows, vectors: 2, hasTable: hasTable, depth, a, b,
        addressing, bias, c, cStride, lower, upper)
    } else {
      multiplyTile(
        MiddleNarrowTile.self, rows: middleTileRows, vectors: 1, hasTable: hasTable, depth, a, b,
        addressing, bias, c, cStride, lower, upper)
    }
  } else {
    if vectors == 2 {
      multiplyTile(
        SmallWideTile.self, rows: smallTileRows, vectors: 2, hasTable: hasTable, depth, a, b,
        addressing, bias, c, cStride, lower, upper)
    } else {
      multiplyTile(
        SmallNarrowTile.self, rows: smallTileRows, vectors: 1, hasTable: hasTable, depth, a, b,
        addressing, bias, c, cStride, lower, upper)
    }
  }
}

/// One tile with the rows of B a fixed stride apart. Not inlined: gemm and convolve share it.
@inline(never)
func multiplyTile(
  _ rows: Int, _ vectors: Int, _ depth: Int, _ a: UnsafePointer<Float>,
  _ b: UnsafePointer<Float>, stride: Int, _ bias: UnsafePointer<Float>?,
  _ c: UnsafeMutablePointer<Float>, _ cStride: Int, _ lower: Float, _ upper: Float
) {
  multiplyTile(
    hasTable: false, rows, vectors, depth, a, b, RowAddressing(stride: stride, table: nil), bias,
    c, cStride, lower, upper)
}

/// One tile with the rows of B at `b + table[k]`.
@inline(never)
func multiplyTile(
  _ rows: Int, _ vectors: Int, _ depth: Int, _ a: UnsafePointer<Float>,
  _ b: UnsafePointer<Float>, table: UnsafePointer<Int32>, _ bias: UnsafePointer<Float>?,
  _ c: UnsafeMutablePointer<Float>, _ cStride: Int, _ lower: Float, _ upper: Float
) {
  multiplyTile(
    hasTable: true, rows, vectors, depth, a, b, RowAddressing(stride: 0, table: table), bias, c,
    cStride, lower, upper)
}
