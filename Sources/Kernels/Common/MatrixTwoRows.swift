import CKernels

// Two rows times a packed matrix: half of what the smallest tile of a vector of 16 lanes has, and
// like one row they wait for the matrix. Four panels are read once for both.

/// Four panels of C from column `first` on.
@inline(never) private func twoRows(_ g: apus_gemm, _ first: Int) {
  guard let x = g.a, let b = g.b, let c = g.c else { return }
  let width = Vector.scalarCount
  let panelSize = g.depth &* tileColumns
  var sums = InlineArray<16, Vector> { _ in Vector(repeating: 0) }
  if let start = g.bias ?? (g.accumulate ? UnsafePointer(c) : nil) {
    let stride = g.bias == nil ? g.c_row_stride : 0
    for i in 0..<16 {
      sums[i] = loadVector(start + (first &+ (i / 8) &* stride &+ (i % 8) &* width))
    }
  }
  var row = b + first &* g.depth
  var k = 0
  while k < g.depth {
    let upper = Vector(repeating: x[k])
    let lower = Vector(repeating: x[g.a_row_stride &+ k])
    for i in 0..<8 {
      let weight = loadVector(row + ((i / 2) &* panelSize &+ (i % 2) &* width))
      sums[i] = multiplyAdd(upper, weight, sums[i])
      sums[8 &+ i] = inOrder(multiplyAdd(lower, weight, sums[8 &+ i]))
    }
    row += tileColumns
    k &+= 1
  }
  let minimum = Vector(repeating: g.minimum)
  let maximum = Vector(repeating: g.maximum)
  for i in 0..<16 {
    storeVector(
      clip(sums[i], minimum, maximum),
      c + (first &+ (i / 8) &* g.c_row_stride &+ (i % 8) &* width))
  }
}

/// gemm of two rows for as many columns as four panels at a time fill, which are taken away from
/// the product.
func gemmTwoRows(_ g: inout apus_gemm) {
  var first = 0
  while first &+ 4 &* tileColumns <= g.columns {
    twoRows(g, first)
    first &+= 4 &* tileColumns
  }
  g.columns &-= first
  g.b = g.b + first &* g.depth
  g.c = g.c + first
  if let bias = g.bias { g.bias = bias + first }
}
