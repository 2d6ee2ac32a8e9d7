import CKernels

// Products of one row, or of a depth of one, with B in place. Each element of A or B is used once
// then, and packing would cost more than the product.

/// `n` vectors of one row of C; of the last one `valid` lanes.
@inline(__always)
private func rowVectors<let n: Int>(
  _: InlineArray<n, Vector>.Type, _ g: apus_gemm, _ a: UnsafePointer<Float>,
  _ b: UnsafePointer<Float>, _ bias: UnsafePointer<Float>?, _ c: UnsafeMutablePointer<Float>,
  _ valid: Int
) {
  let width = Vector.scalarCount
  func load(_ p: UnsafePointer<Float>, _ i: Int) -> Vector {
    let p = p + i &* width
    return i < n &- 1 ? loadVector(p) : loadPart(p, valid)
  }
  var sums = InlineArray<n, Vector> { _ in Vector(repeating: 0) }
  if let start = bias ?? (g.accumulate ? UnsafePointer(c) : nil) {
    for i in 0..<n { sums[i] = load(start, i) }
  }
  var a = a
  var row = b
  var k = 0
  while k < g.depth {
    let scalar = Vector(repeating: a[0])
    for i in 0..<n { sums[i] = multiplyAdd(scalar, load(row, i), sums[i]) }
    a += g.a_column_stride
    row += g.b_row_stride
    k &+= 1
  }
  let lower = Vector(repeating: g.minimum)
  let upper = Vector(repeating: g.maximum)
  for i in 0..<n {
    let y = clip(sums[i], lower, upper)
    if i < n &- 1 { storeVector(y, c + i &* width) } else { storePart(y, c + i &* width, valid) }
  }
}

/// gemm without packing, for B in place.
func gemmRows(
  _ g: apus_gemm, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  _ c: UnsafeMutablePointer<Float>
) {
  let width = Vector.scalarCount
  var first = 0
  while first < g.columns {
    let left = g.columns &- first
    let vectors = left >= 4 &* width ? 4 : left > width ? 2 : 1
    var r = 0
    while r < g.rows {
      let a = a + r &* g.a_row_stride
      let c = c + (r &* g.c_row_stride &+ first)
      let bias = g.bias.map { $0 + first }
      if vectors == 4 {
        rowVectors(InlineArray<4, Vector>.self, g, a, b + first, bias, c, width)
      } else if vectors == 2 {
        let valid = min(width, left &- width)
        rowVectors(InlineArray<2, Vector>.self, g, a, b + first, bias, c, valid)
      } else {
        rowVectors(InlineArray<1, Vector>.self, g, a, b + first, bias, c, left)
      }
      r &+= 1
    }
    first &+= vectors &* width
  }
}
