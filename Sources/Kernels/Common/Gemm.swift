import CKernels

/// Packs B [depth][columns] into panels of `tileColumns` columns: [panel][depth][tileColumns], the
/// last panel padded with zeros.
func gemmPack(
  _ b: UnsafePointer<Float>, _ rowStride: Int, _ columnStride: Int, _ depth: Int, _ columns: Int,
  _ scale: Float, _ packed: UnsafeMutablePointer<Float>
) {
  var out = packed
  var first = 0
  while first < columns {
    let width = min(tileColumns, columns &- first)
    var k = 0
    while k < depth {
      let row = b + (k &* rowStride &+ first &* columnStride)
      var j = 0
      while j < width {
        out[j] = scale * row[j &* columnStride]
        j &+= 1
      }
      while j < tileColumns {
        out[j] = 0
        j &+= 1
      }
      out += tileColumns
      k &+= 1
    }
    first &+= tileColumns
  }
}

/// Depth of the block of A that is packed on the stack at a time: 256 · 12 floats are 12 KiB.
private var aBlockDepth: Int { 256 }
/// The same where the stack also holds a block of B.
private var sharedBlockDepth: Int { 64 }

/// Floats on the stack: blocks of A (and of a narrow B), one tile of C, and zeros that the rows
/// start from where they start from nothing. One array: InlineArray's initialiser is inlined where
/// a size is used once, and must not stay behind as a function of the standard library.
private var blocksSize: Int { 3072 }
private var tileSize: Int { 384 }
private typealias GemmBuffers = InlineArray<3472, Float>

/// C = clip(start + A·B); see `apus_gemm`.
///
/// For each panel of rows and each block of the depth, A is packed on the stack as the tile wants
/// it, and the tile runs along the columns. Partial sums wait in C between blocks, which keeps
/// their bits.
func gemm(_ product: UnsafePointer<apus_gemm>) {
  var g = product.pointee
  let isPacked = g.b_row_stride == 0
  if Vector.scalarCount == 16 && isPacked && g.rows == 2 && g.a_column_stride == 1 {
    gemmTwoRows(&g)
  }
  guard let a = g.a, let b = g.b, let c = g.c, g.rows > 0, g.columns > 0 else { return }
  if isPacked && g.rows == 1 && g.a_column_stride == 1 {
    gemv(product, nil, false)
    return
  }
  if !isPacked && g.columns == 1 && g.a_column_stride == 1 && g.c_row_stride == 1 && g.rows > 1 {
    gemmColumn(g, a, b)
    return
  }
  if !isPacked && (g.rows == 1 || g.depth == 1) {
    gemmRows(g, a, b, c)
    return
  }
  if let bias = g.bias {
    var r = 0
    while r < g.rows {
      copyFloats(bias, c + r &* g.c_row_stride, g.columns)
      r &+= 1
    }
  }
  let startsFromC = g.accumulate || g.bias != nil
  // A narrow B that is not packed is copied, so that no load reaches beyond its rows.
  let vectors = g.columns <= Vector.scalarCount ? 1 : 2
  let copiesB = !isPacked && g.columns < vectors &* Vector.scalarCount
  let blockDepth = copiesB ? sharedBlockDepth : aBlockDepth

  var buffers = GemmBuffers(repeating: 0)
  withUnsafeMutableBytes(of: &buffers) { bytes in
    let blocks = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
    let tile = blocks + blocksSize
    let zeros = UnsafePointer(tile + tileSize)
    var firstRow = 0
    while firstRow < g.rows {
      let height = panelRows(g.rows &- firstRow)
      let validRows = min(height, g.rows &- firstRow)
      var k = 0
      repeat {
        let depth = min(blockDepth, g.depth &- k)
        packRows(
          a + (firstRow &* g.a_row_stride &+ k &* g.a_column_stride), g.a_row_stride,
          g.a_column_stride, validRows, height, depth, blocks)
        let isLast = k &+ depth >= g.depth
        gemmRow(
          g, b, c + firstRow &* g.c_row_stride, firstDepth: k, depth: depth, height, validRows,
          blocks, copiesB ? blocks + sharedBlockDepth &* tileRows : nil, tile,
          k > 0 || startsFromC ? nil : zeros,
          isLast ? g.minimum : -Float.infinity, isLast ? g.maximum : Float.infinity)
        k &+= depth
      } while k < g.depth
      firstRow &+= height
    }
  }
}

/// Packs rows of A as [depth][height], rows beyond `valid` as zeros.
@inline(__always)
func packRows(
  _ a: UnsafePointer<Float>, _ rowStride: Int, _ columnStride: Int, _ valid: Int, _ height: Int,
  _ depth: Int, _ packed: UnsafeMutablePointer<Float>
) {
  var r = 0
  while r < height {
    var k = 0
    if r < valid {
      let row = a + r &* rowStride
      while k < depth {
        packed[k &* height &+ r] = row[k &* columnStride]
        k &+= 1
      }
    } else {
      while k < depth {
        packed[k &* height &+ r] = 0
        k &+= 1
      }
    }
    r &+= 1
  }
}

/// One panel of rows times one block of the depth, over all columns.
@inline(__always)
private func gemmRow(
  _ g: apus_gemm, _ b: UnsafePointer<Float>, _ c: UnsafeMutablePointer<Float>, firstDepth: Int,
  depth: Int, _ height: Int, _ validRows: Int, _ a: UnsafePointer<Float>,
  _ bCopy: UnsafeMutablePointer<Float>?, _ tile: UnsafeMutablePointer<Float>,
  _ bias: UnsafePointer<Float>?, _ lower: Float, _ upper: Float
) {
  let isPacked = g.b_row_stride == 0
  var first = 0
  while first < g.columns {
    let validColumns = min(tileColumns, g.columns &- first)
    let vectors = validColumns <= Vector.scalarCount ? 1 : 2
    let width = vectors &* Vector.scalarCount
    var source = b
    var stride = tileColumns
    // Columns at the tile's left that belong to the tile before: the last tile is shifted left so
    // that its loads stay inside B.
    var skip = 0
    if isPacked {
      source = b + (first &* g.depth &+ firstDepth &* tileColumns)
    } else if let bCopy {
      stride = width
      var k = 0
      while k < depth {
        copyFloats(
          b + ((firstDepth &+ k) &* g.b_row_stride &+ first), bCopy + k &* width, validColumns)
        k &+= 1
      }
      source = UnsafePointer(bCopy)
    } else {
      stride = g.b_row_stride
      skip = width &- validColumns
      source = b + (firstDepth &* stride &+ first &- skip)
    }
    if validRows == height && validColumns == width {
      multiplyTile(
        height, vectors, depth, a, source, stride: stride, bias, c + first, g.c_row_stride, lower,
        upper)
    } else {
      if bias == nil {
        copyTile(c + first, g.c_row_stride, tile + skip, width, validRows, validColumns)
      }
      multiplyTile(
        height, vectors, depth, a, source, stride: stride, bias, tile, width, lower, upper)
      copyTile(tile + skip, width, c + first, g.c_row_stride, validRows, validColumns)
    }
    first &+= tileColumns
  }
}
