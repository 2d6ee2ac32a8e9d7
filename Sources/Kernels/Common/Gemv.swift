/// One panel or four of them: eight sums at once hide the latency of a multiply-add, and four
/// streams of weights keep the memory busy.
@inline(__always)
private func gemvPanels<let n: Int>(
  _: InlineArray<n, Vector>.Type, _ x: UnsafePointer<Float>, _ packed: UnsafePointer<Float>,
  _ depth: Int, _ start: UnsafePointer<Float>, _ lower: Vector, _ upper: Vector,
  _ y: UnsafeMutablePointer<Float>
) {
  let width = Vector.scalarCount
  let panelSize = depth &* tileColumns
  var sums = InlineArray<n, Vector> { i in loadVector(start + i &* width) }
  var row = packed
  var k = 0
  while k < depth {
    let scalar = Vector(repeating: x[k])
    for i in 0..<n {
      sums[i] = multiplyAdd(
        scalar, loadVector(row + ((i / 2) &* panelSize &+ (i % 2) &* width)), sums[i])
    }
    row += tileColumns
    k &+= 1
  }
  for i in 0..<n { storeVector(clip(sums[i], lower, upper), y + i &* width) }
}

/// y = clip(start + x·W) for one row x, with W packed by `gemmPack`. The bits are those that gemm
/// gives the same row in a batch.
func gemv(
  _ x: UnsafePointer<Float>, _ packed: UnsafePointer<Float>, _ depth: Int, _ columns: Int,
  _ bias: UnsafePointer<Float>?, _ accumulate: Bool, _ lower: Float, _ upper: Float,
  _ y: UnsafeMutablePointer<Float>
) {
  let start = bias ?? (accumulate ? UnsafePointer(y) : nil)
  let lower = Vector(repeating: lower)
  let upper = Vector(repeating: upper)
  var ends: InlineArray<256, Float> = InlineArray(repeating: 0)
  withUnsafeMutableBytes(of: &ends) { bytes in
    let zeros = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
    let padded = zeros + 128
    var first = 0
    while first &+ 4 &* tileColumns <= columns {
      gemvPanels(
        InlineArray<8, Vector>.self, x, packed + first &* depth, depth,
        start.map { $0 + first } ?? UnsafePointer(zeros), lower, upper, y + first)
      first &+= 4 &* tileColumns
    }
    while first < columns {
      let valid = min(tileColumns, columns &- first)
      if valid == tileColumns {
        gemvPanels(
          InlineArray<2, Vector>.self, x, packed + first &* depth, depth,
          start.map { $0 + first } ?? UnsafePointer(zeros), lower, upper, y + first)
      } else {
        if let start { copyFloats(start + first, padded, valid) }
        gemvPanels(
          InlineArray<2, Vector>.self, x, packed + first &* depth, depth, UnsafePointer(padded),
          lower, upper, padded)
        copyFloats(UnsafePointer(padded), y + first, valid)
      }
      first &+= tileColumns
    }
  }
}
