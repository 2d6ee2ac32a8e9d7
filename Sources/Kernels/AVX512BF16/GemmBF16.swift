import CKernels

/// Packs scale · B [depth][columns] into panels: [panel][words][tileColumns], the last panel padded
/// with zeros.
@inline(never) @_optimize(size)
func gemmPack(
  _ b: UnsafePointer<Float>, _ rowStride: Int, _ columnStride: Int, _ depth: Int, _ columns: Int,
  _ scale: Float, _ packed: UnsafeMutablePointer<Float>
) {
  var out = packed
  var first = 0
  var room = InlineArray<64, Float>(repeating: 0)
  withUnsafeMutableBytes(of: &room) { bytes in
    let rows = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
    while first < columns {
      let width = min(tileColumns, columns &- first)
      var k = 0
      while k < depth {
        var i = 0
        while i < 2 {
          let row = b + ((k &+ i) &* rowStride &+ first &* columnStride)
          let valid = k &+ i < depth ? width : 0
          var j = 0
          while j < valid {
            rows[i &* tileColumns &+ j] = scale * row[j &* columnStride]
            j &+= 1
          }
          while j < tileColumns {
            rows[i &* tileColumns &+ j] = 0
            j &+= 1
          }
          i &+= 1
        }
        var v = 0
        while v < tileColumns {
          storeVector(
            roundPairs(loadVector(rows + v), loadVector(rows + (tileColumns &+ v))), out + v)
          v &+= Vector.scalarCount
        }
        out += tileColumns
        k &+= 2
      }
      first &+= tileColumns
    }
  }
}

/// Words of the block of A that is rounded and packed on the stack at a time: 12 KiB.
private var blockWords: Int { 256 }
/// That, one tile of C, and zeros that the rows start from where they start from nothing.
private typealias GemmBuffers = InlineArray<3472, Float>

/// C = clip(start + A·B), B packed; see `apus_gemm`.
@inline(never) @_optimize(size)
func gemm(_ product: UnsafePointer<apus_gemm>) {
  let g = product.pointee
  guard let a = g.a, let b = g.b, let c = g.c, g.rows > 0, g.columns > 0 else { return }
  if g.rows == 1 && g.a_column_stride == 1 {
    gemv(product, false)
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
  let words = words(g.depth)
  var buffers = GemmBuffers(repeating: 0)
  withUnsafeMutableBytes(of: &buffers) { bytes in
    let block = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
    let tile = block + blockWords &* tileRows
    let zeros = UnsafePointer(tile + tileRows &* tileColumns)
    var firstRow = 0
    while firstRow < g.rows {
      let height = panelRows(g.rows &- firstRow)
      let validRows = min(height, g.rows &- firstRow)
      var k = 0
      repeat {
        let count = min(blockWords, words &- k)
        packRows(
          a + (firstRow &* g.a_row_stride &+ 2 &* k &* g.a_column_stride), g.a_row_stride,
          g.a_column_stride, validRows, height, min(2 &* count, g.depth &- 2 &* k), block, tile)
        let isLast = k &+ count >= words
        gemmRow(
          g, b + k &* tileColumns, words &* tileColumns, c + firstRow &* g.c_row_stride, count,
          height, validRows, block, tile, k > 0 || startsFromC ? nil : zeros,
          isLast ? g.minimum : -Float.infinity, isLast ? g.maximum : Float.infinity)
        k &+= count
      } while k < words
      firstRow &+= height
    }
  }
}

/// Packs rows of A as [word][height], rows beyond `valid` as zeros. `room`: 48 floats.
@inline(never) @_optimize(size)
private func packRows(
  _ a: UnsafePointer<Float>, _ rowStride: Int, _ columnStride: Int, _ valid: Int, _ height: Int,
  _ depth: Int, _ packed: UnsafeMutablePointer<Float>, _ room: UnsafeMutablePointer<Float>
) {
  let gathered = room + 16
  var r = 0
  while r < height {
    let row = a + r &* rowStride
    var k = 0
    while k < depth {
      let left = min(32, depth &- k)
      if r < valid && columnStride == 1 {
        roundRow(row + k, left, room)
      } else {
        var i = 0
        while i < left {
          gathered[i] = r < valid ? row[(k &+ i) &* columnStride] : 0
          i &+= 1
        }
        roundRow(gathered, left, room)
      }
      let target = packed + (k / 2 &* height &+ r)
      var i = 0
      while i < words(left) {
        target[i &* height] = room[i]
        i &+= 1
      }
      k &+= 32
    }
    r &+= 1
  }
}

/// One panel of rows times one block of the depth, over all columns.
@inline(never) @_optimize(size)
private func gemmRow(
  _ g: apus_gemm, _ b: UnsafePointer<Float>, _ panelSize: Int, _ c: UnsafeMutablePointer<Float>,
  _ depth: Int, _ height: Int, _ validRows: Int, _ a: UnsafePointer<Float>,
  _ tile: UnsafeMutablePointer<Float>, _ bias: UnsafePointer<Float>?, _ lower: Float,
  _ upper: Float
) {
  var source = b
  var first = 0
  while first < g.columns {
    let validColumns = min(tileColumns, g.columns &- first)
    let vectors = validColumns <= Vector.scalarCount ? 1 : 2
    let width = vectors &* Vector.scalarCount
    if validRows == height && validColumns == width {
      multiplyTile(
        height, vectors, depth, a, source, stride: tileColumns, bias, c + first, g.c_row_stride,
        lower, upper)
    } else {
      if bias == nil {
        copyTile(c + first, g.c_row_stride, tile, width, validRows, validColumns)
      }
      multiplyTile(
        height, vectors, depth, a, source, stride: tileColumns, bias, tile, width, lower, upper)
      copyTile(tile, width, c + first, g.c_row_stride, validRows, validColumns)
    }
    source += panelSize
    first &+= tileColumns
  }
}
