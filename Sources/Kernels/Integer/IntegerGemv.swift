import CKernels

// A few rows times a large matrix, as recurrent layers have them: one row waits for the matrix, of
// which every byte is used once, and four read it once for all. The sums go into floats at once.

/// The sums of a panel of two vectors: of four rows, or of one in turns of four words, so that no
/// product need wait for another.
@inline(__always)
private func panelSums(
  isRow: Bool, _ a: UnsafePointer<Int32>, _ b: UnsafePointer<Int32>, _ words: Int,
  _ tile: UnsafeMutablePointer<Int32>
) {
  let width = IntVector.scalarCount
  var sums: InlineArray<8, IntVector> = InlineArray { _ in IntVector(repeating: 0) }
  var b = b
  var k = 0
  let turn = isRow ? 4 : 1
  while k &+ turn <= words {
    for i in 0..<8 {
      let lanes = loadIntegers(b + (isRow ? i : i % 2) &* width)
      sums[i] = dot(sums[i], lanes, a[isRow ? k &+ i / 2 : k &+ i / 2 &* words])
    }
    b += 2 &* turn &* width
    k &+= turn
  }
  if isRow {
    for i in 0..<2 { sums[i] = (sums[i] &+ sums[i &+ 2]) &+ (sums[i &+ 4] &+ sums[i &+ 6]) }
  }
  for i in 0..<(isRow ? 2 : 8) { storeIntegers(sums[i], tile + i &* width) }
}

/// See integer_gemv in CKernels.h.
func integerGemv(
  _ p: UnsafePointer<apus_integer_gemv>, _ first: Int, _ column: Int,
  _ tile: UnsafeMutablePointer<Int32>
) {
  let width = IntVector.scalarCount
  let words = p.pointee.words
  let a = p.pointee.a + first &* words
  let b = p.pointee.b + column &* (words &+ 3)
  if p.pointee.rows &- first == 1 {
    panelSums(isRow: true, a, b, words, tile)
  } else {
    panelSums(isRow: false, a, b, words, tile)
  }
  // Takes the zero points from the sums, and adds them to the floats.
  let numbers = UnsafeRawPointer(b + 2 &* words &* width)
  let size = MemoryLayout<Vector>.size
  var tile = tile
  var row = first
  while row < min(p.pointee.rows, first &+ 4) {
    let number = p.pointee.numbers[row]
    let y = UnsafeMutableRawPointer(p.pointee.y + (row &* p.pointee.y_row_stride &+ column))
    let start = p.pointee.bias.map { UnsafeRawPointer($0 + column) } ?? UnsafeRawPointer(y)
    for i in 0..<2 where column &+ i &* width < p.pointee.columns {
      let of = numbers + i &* size
      let sum =
        loadIntegers(tile + i &* width)
        &- IntVector(repeating: number.sum)
        &* of.loadUnaligned(fromByteOffset: 2 &* size, as: IntVector.self)
        &- IntVector(repeating: number.zero)
        &* of.loadUnaligned(fromByteOffset: 4 &* size, as: IntVector.self)
      let scale = Vector(repeating: number.scale) * of.loadUnaligned(as: Vector.self)
      (y + i &* size).storeBytes(
        of: (start + i &* size).loadUnaligned(as: Vector.self) + real(sum) * scale,
        as: Vector.self)
    }
    tile += 2 &* width
    row &+= 1
  }
}
