import CKernels

// One row times a matrix waits for the matrix: every weight is used once. Where it comes from the
// second or third cache, half of the multiply-adds have nothing to do. A product of several rows
// that is needed later, of which the weights are used eight times each, fits into that time.

/// Where a group of panels reads and writes.
private struct GemvPlaces {
  let x: UnsafePointer<Float>
  let packed: UnsafePointer<Float>
  let depth: Int
  let start: UnsafePointer<Float>
  let y: UnsafeMutablePointer<Float>
}

/// sums += x[k] · W[k], for panels side by side.
@inline(__always)
private func gemvStep<let n: Int>(
  _ sums: inout InlineArray<n, Vector>, _ x: Float, _ row: UnsafePointer<Float>, _ panelSize: Int
) {
  let scalar = Vector(repeating: x)
  for i in 0..<n {
    let weight = row + ((i / 2) &* panelSize &+ (i % 2) &* Vector.scalarCount)
    sums[i] = multiplyAdd(scalar, loadVector(weight), sums[i])
  }
}

/// Some panels of two vectors: eight sums at once hide the latency of a multiply-add, and four
/// streams of weights keep the memory busy.
@inline(__always)
private func gemvPanels<let n: Int>(
  _: InlineArray<n, Vector>.Type, _ places: GemvPlaces, _ lower: Vector, _ upper: Vector,
  _ ahead: UnsafeMutablePointer<apus_gemm_ahead>?
) {
  let width = Vector.scalarCount
  let panelSize = places.depth &* tileColumns
  var sums = InlineArray<n, Vector> { i in loadVector(places.start + i &* width) }
  var k = 0
  if let ahead {
    // One where the eight rows have clearly more to do.
    k =
      2 &* ahead.pointee.product.depth > 3 &* places.depth
      ? gemvAhead(&sums, places, ahead, terms: 1) : gemvAhead(&sums, places, ahead, terms: 2)
  }
  var row = places.packed + k &* tileColumns
  while k < places.depth {
    gemvStep(&sums, places.x[k], row, panelSize)
    row += tileColumns
    k &+= 1
  }
  for i in 0..<n { storeVector(clip(sums[i], lower, upper), places.y + i &* width) }
}

/// `rate` terms of this row's sums for one of the eight rows' sums. With two there are as many
/// multiply-adds for either, and memory and arithmetic are about equally busy. Ends with either of
/// the two and says how many terms it has added.
@inline(__always)
private func gemvAhead<let n: Int>(
  _ sums: inout InlineArray<n, Vector>, _ places: GemvPlaces,
  _ ahead: UnsafeMutablePointer<apus_gemm_ahead>, terms rate: Int
) -> Int {
  let width = Vector.scalarCount
  let panelSize = places.depth &* tileColumns
  let terms = ahead.pointee.terms
  let depth = ahead.pointee.product.depth
  let column = ahead.pointee.column
  let stride = ahead.pointee.product.a_row_stride
  let cStride = ahead.pointee.product.c_row_stride
  let c = ahead.pointee.product.c + column
  let start = terms == 0 ? ahead.pointee.product.bias + column : UnsafePointer(c)
  let startStride = terms == 0 ? 0 : cStride
  var tile = InlineArray<16, Vector> { i in
    loadVector(start + ((i / 2) &* startStride &+ (i % 2) &* width))
  }
  var a = ahead.pointee.product.a + terms
  var b = ahead.pointee.product.b + (column &* depth &+ terms &* tileColumns)
  var x = places.x
  var row = places.packed
  let count = min(places.depth / rate, depth &- terms)
  var k = 0
  while k < count {
    gemvStep(&sums, x[0], row, panelSize)
    if rate == 2 { gemvStep(&sums, x[1], row + tileColumns, panelSize) }
    let b0 = loadVector(b)
    let b1 = loadVector(b + width)
    for r in 0..<8 {
      let scalar = Vector(repeating: a[r &* stride])
      tile[2 &* r] = inOrder(multiplyAdd(scalar, b0, tile[2 &* r]))
      tile[2 &* r &+ 1] = inOrder(multiplyAdd(scalar, b1, tile[2 &* r &+ 1]))
    }
    x += rate
    row += rate &* tileColumns
    a += 1
    b += tileColumns
    k &+= 1
  }
  for i in 0..<16 { storeVector(tile[i], c + ((i / 2) &* cStride &+ (i % 2) &* width)) }
  let isDone = terms &+ count == depth
  ahead.pointee.terms = isDone ? 0 : terms &+ count
  if isDone { ahead.pointee.column = column &+ tileColumns }
  return rate &* count
}

/// Four panels, in a function of its own, which has all registers.
@inline(never)
private func gemvWide(
  _ places: GemvPlaces, _ lower: Vector, _ upper: Vector,
  _ ahead: UnsafeMutablePointer<apus_gemm_ahead>?
) {
  gemvPanels(InlineArray<8, Vector>.self, places, lower, upper, ahead)
}

/// See gemv in CKernels.h. The bits are those that gemm gives the same row in a batch.
func gemv(
  _ g: UnsafePointer<apus_gemm>, _ ahead: UnsafeMutablePointer<apus_gemm_ahead>?,
  _ isBackwards: Bool
) {
  guard let x = g.pointee.a, let packed = g.pointee.b, let y = g.pointee.c else { return }
  let depth = g.pointee.depth
  let columns = g.pointee.columns
  let start =
    g.pointee.bias ?? (g.pointee.accumulate ? UnsafePointer(y) : nil)
  let lower = Vector(repeating: g.pointee.minimum)
  let upper = Vector(repeating: g.pointee.maximum)
  var ends: InlineArray<256, Float> = InlineArray(repeating: 0)
  withUnsafeMutableBytes(of: &ends) { bytes in
    let zeros = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
    let padded = zeros + 128
    func places(_ first: Int) -> GemvPlaces {
      GemvPlaces(
        x: x, packed: packed + first &* depth, depth: depth,
        start: start.map { $0 + first } ?? UnsafePointer(zeros), y: y + first)
    }
    let group = 4 &* tileColumns
    let groups = columns / group
    var i = 0
    while i < groups {
      let places = places((isBackwards ? groups &- 1 &- i : i) &* group)
      if Vector.scalarCount == 16, let ahead,
        ahead.pointee.column &+ tileColumns <= ahead.pointee.product.columns
      {
        gemvWide(places, lower, upper, ahead)
      } else {
        gemvWide(places, lower, upper, nil)
      }
      i &+= 1
    }
    var first = groups &* group
    if first &+ 2 &* tileColumns <= columns {
      gemvPanels(InlineArray<4, Vector>.self, places(first), lower, upper, nil)
      first &+= 2 &* tileColumns
    }
    while first < columns {
      let valid = min(tileColumns, columns &- first)
      if valid == tileColumns {
        gemvPanels(InlineArray<2, Vector>.self, places(first), lower, upper, nil)
      } else {
        if let start { copyFloats(start + first, padded, valid) }
        let end = GemvPlaces(
          x: x, packed: packed + first &* depth, depth: depth, start: UnsafePointer(padded),
          y: padded)
        gemvPanels(InlineArray<2, Vector>.self, end, lower, upper, nil)
        copyFloats(UnsafePointer(padded), y + first, valid)
      }
      first &+= tileColumns
    }
  }
}
