import CKernels

// One row times a packed matrix waits for the matrix, so rounding it on the way costs nothing.

/// Where a group of panels reads and writes.
private struct Places {
  let x: UnsafePointer<Float>
  let packed: UnsafePointer<Float>
  let depth: Int
  let start: UnsafePointer<Float>
  let y: UnsafeMutablePointer<Float>
}

/// Some panels of two vectors.
@inline(__always)
private func multiplyPanels<let n: Int>(
  _: InlineArray<n, Vector>.Type, _ places: Places, _ lower: Vector, _ upper: Vector
) {
  let width = Vector.scalarCount
  let panelSize = words(places.depth) &* tileColumns
  var sums = InlineArray<n, Vector> { i in loadVector(places.start + i &* width) }
  var row = places.packed
  @inline(__always)
  func step(_ word: Vector) {
    for i in 0..<n {
      let weight = row + ((i / 2) &* panelSize &+ (i % 2) &* width)
      sums[i] = multiplyAdd(word, loadVector(weight), sums[i])
    }
    row += tileColumns
  }
  var k = 0
  while k &+ 1 < places.depth {
    step(broadcastWord(places.x + k))
    k &+= 2
  }
  if k < places.depth { step(broadcastHalfWord(places.x + k)) }
  for i in 0..<n { storeVector(clip(sums[i], lower, upper), places.y + i &* width) }
}

/// Four panels: eight sums at once hide the latency of an instruction.
@inline(never)
private func multiplyWide(_ places: Places, _ lower: Vector, _ upper: Vector) {
  multiplyPanels(InlineArray<8, Vector>.self, places, lower, upper)
}

@inline(never)
private func multiplyNarrow(_ places: Places, _ lower: Vector, _ upper: Vector) {
  multiplyPanels(InlineArray<2, Vector>.self, places, lower, upper)
}

/// See gemv in CKernels.h. The bits are those that gemm gives the same row in a batch.
@inline(never) @_optimize(size)
func gemv(_ g: UnsafePointer<apus_gemm>, _ isBackwards: Bool) {
  guard let x = g.pointee.a, let packed = g.pointee.b, let y = g.pointee.c else { return }
  let depth = g.pointee.depth
  let size = words(depth)
  let columns = g.pointee.columns
  let start = g.pointee.bias ?? (g.pointee.accumulate ? UnsafePointer(y) : nil)
  let lower = Vector(repeating: g.pointee.minimum)
  let upper = Vector(repeating: g.pointee.maximum)
  var ends = InlineArray<160, Float>(repeating: 0)
  withUnsafeMutableBytes(of: &ends) { bytes in
    let zeros = bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
    let padded = zeros + 128
    func places(_ first: Int) -> Places {
      Places(
        x: x, packed: packed + first &* size, depth: depth,
        start: start.map { $0 + first } ?? UnsafePointer(zeros), y: y + first)
    }
    let group = 4 &* tileColumns
    let groups = columns / group
    var i = 0
    while i < groups {
      multiplyWide(places((isBackwards ? groups &- 1 &- i : i) &* group), lower, upper)
      i &+= 1
    }
    var first = groups &* group
    while first < columns {
      let valid = min(tileColumns, columns &- first)
      if valid == tileColumns {
        multiplyNarrow(places(first), lower, upper)
      } else {
        if let start { copyFloats(start + first, padded, valid) }
        multiplyNarrow(
          Places(
            x: x, packed: packed + first &* size, depth: depth, start: UnsafePointer(padded),
            y: padded), lower, upper)
        copyFloats(UnsafePointer(padded), y + first, valid)
      }
      first &+= tileColumns
    }
  }
}
