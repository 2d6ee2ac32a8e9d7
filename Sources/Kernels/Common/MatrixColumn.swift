import CKernels

// A matrix times one column. The matrix's rows lie along the depth, and an element's sum has to run
// along it term by term (see MatrixTile.swift): squares of the matrix are transposed in registers,
// and the lanes are rows.

/// Adds the terms of one square: `count` of them, of `rows` rows; the lanes behind repeat the last.
@inline(never)
private func columnSquare(
  _ a: UnsafePointer<Float>, _ rowStride: Int, _ rows: Int, _ x: UnsafePointer<Float>,
  _ xStride: Int, _ count: Int, _ start: Vector
) -> Vector {
  let last = rows &- 1
  var square: VectorSquare
  if count == Vector.scalarCount {
    square = VectorSquare { r in loadVector(a + min(r, last) &* rowStride) }
  } else {
    square = VectorSquare { r in loadPart(a + min(r, last) &* rowStride, count) }
  }
  transpose(&square)
  var sum = start
  for k in 0..<Vector.scalarCount {
    if k < count {
      sum = multiplyAdd(Vector(repeating: x[k &* xStride]), square[k], sum)
    }
  }
  return sum
}

/// gemm for one column of C, where the rows of A are contiguous and the elements of C adjacent.
func gemmColumn(_ g: apus_gemm, _ a: UnsafePointer<Float>, _ x: UnsafePointer<Float>) {
  guard let c = g.c else { return }
  let width = Vector.scalarCount
  let xStride = g.b_row_stride
  var row = 0
  while row < g.rows {
    let rows = min(width, g.rows &- row)
    let isWhole = rows == width
    var sum = Vector(repeating: 0)
    if let bias = g.bias {
      sum = Vector(repeating: bias[0])
    } else if g.accumulate {
      sum = isWhole ? loadVector(c + row) : loadPart(c + row, rows)
    }
    let a = a + row &* g.a_row_stride
    var k = 0
    while k < g.depth {
      let count = min(width, g.depth &- k)
      sum = columnSquare(a + k, g.a_row_stride, rows, x + k &* xStride, xStride, count, sum)
      k &+= count
    }
    sum = clip(sum, Vector(repeating: g.minimum), Vector(repeating: g.maximum))
    if isWhole { storeVector(sum, c + row) } else { storePart(sum, c + row, rows) }
    row &+= rows
  }
}
