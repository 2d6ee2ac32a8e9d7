import CKernels
import CSystem
import ModelFormat

/// Weights of integers, and their products with rows of floats, which are rounded first.
extension RecurrentWeights {
  /// Words that such a product needs for itself: the rows, their numbers, and a tile of sums.
  var integersSize: Int {
    RecurrentStep.maximumGroup * (max(words(inputs), words(units)) + 3) + 4 * panel
  }

  /// Computes a product of at most `maximumGroup` rows.
  func multiplyIntegers(
    _ g: apus_gemm, _ rows: UnsafeMutablePointer<Int32>, isBackwards: Bool
  ) {
    let words = words(g.depth) &- 3
    let tile = rows + RecurrentStep.maximumGroup &* words
    let numbers = UnsafeMutableRawPointer(tile + 4 &* panel)
      .assumingMemoryBound(to: apus_integer_row.self)
    for row in 0..<g.rows {
      numbers[row] = round(g.a + row &* g.a_row_stride, g.depth, rows + row &* words, words)
    }
    var p = apus_integer_gemv(
      rows: g.rows, words: words, columns: g.columns, a: rows, numbers: numbers,
      b: UnsafeRawPointer(g.b).assumingMemoryBound(to: Int32.self), bias: g.bias, y: g.c,
      y_row_stride: g.c_row_stride)
    // Each panel once for all rows; backwards where that finds more of them in the cache.
    let panels = (g.columns &+ panel &- 1) / panel
    for i in 0..<panels {
      let column = (isBackwards ? panels &- 1 &- i : i) &* panel
      var row = 0
      while row < g.rows {
        kernels.pointee.integer_gemv(&p, row, column, tile)
        row &+= 4
      }
    }
  }

  /// Rounds a row into words. One that holds NaN has a scale of NaN.
  private func round(
    _ x: UnsafePointer<Float>, _ n: Int, _ target: UnsafeMutablePointer<Int32>, _ words: Int
  ) -> apus_integer_row {
    let (scale, zero) = kernels.pointee.quantization(of: x, n)
    let room = UnsafeMutableRawPointer(target)
    memset(room, 0, words &* 4)
    kernels.pointee.quantize(
      x, n, scale, Int32(truncatingIfNeeded: zero) &- 128, Float(-zero), Float(255 &- zero),
      room.assumingMemoryBound(to: UInt8.self))
    return apus_integer_row(
      scale: scale, zero: Int32(truncatingIfNeeded: zero) &- 128,
      sum: kernels.pointee.integerWords(room, n))
  }

  /// Packs one direction of input `i`, a matrix of integers.
  @inline(never)
  func packIntegers(
    _ node: NodeContext, _ i: Int, direction: Int, _ target: UnsafeMutablePointer<Float>
  ) {
    let matrix = node.input(i)
    let rows = kind.gates &* units
    let depth = i == 1 ? inputs : units
    let words = words(depth)
    let flip = matrix.dataType.flip
    // Their numbers: one for the direction, or one for each column.
    let inputOfScales = kind.inputs &+ 2 &* (i &- 1)
    let scales = node.input(inputOfScales)
    let zeros = node.optionalInput(inputOfScales &+ 1)
    guard let source = matrix.constant, let scaleOf = scales.constant else { return }
    let packed = UnsafeMutableRawPointer(target).assumingMemoryBound(to: Int32.self)
    memset(packed, 0, paddedColumns &* words &* 4)
    var column = -1
    while column &+ 1 < columns {
      column &+= 1
      let (gate, unit) = place(column)
      if unit >= units { continue }
      let first = gate &* units &+ unit
      let number = direction &* rows &+ first
      var zero = Int32(flip)
      if let zeros, let values = zeros.constant {
        let place = zeros.shape.rank == 1 ? direction : number
        zero = Int32(values.load(fromByteOffset: place, as: UInt8.self) ^ flip)
      }
      let numbers = kernels.pointee.packIntegers(
        column, source + (direction &* depth &* rows &+ first), rowStride: rows, depth, flip: flip,
        zero: zero, packed)
      numbers[0] = scaleOf.load(
        fromByteOffset: (scales.shape.rank == 1 ? direction : number) &* 4, as: Int32.self)
    }
  }
}

// The order of integer_gemv's factors.
extension apus_kernels {
  /// Words of so many integers, in fours.
  @inline(never)
  func integerWords(_ depth: Int) -> Int {
    ((depth &+ byte_word_depth &- 1) / byte_word_depth &+ 3) / 4 &* 4
  }

  /// Columns of a panel of a matrix.
  var integerPanel: Int { 2 &* byte_lanes }

  /// Makes words of bytes that have a sign, in their place.
  ///
  /// - Returns: Their sum.
  @inline(never)
  func integerWords(_ room: UnsafeMutableRawPointer, _ n: Int) -> Int32 {
    let bytes = room.assumingMemoryBound(to: Int8.self)
    let pairs = room.assumingMemoryBound(to: Int16.self)
    var sum: Int32 = 0
    // From the end on, so that a pair may take the place of bytes that have been read.
    var i = n
    while i > 0 {
      i &-= 1
      let byte = bytes[i]
      sum &+= Int32(byte)
      if byte_word_depth == 2 { pairs[i] = Int16(byte) }
    }
    return sum
  }

  /// Packs a column of a matrix of bytes, into zeros.
  ///
  /// - Parameter zero: as packed.
  /// - Returns: Where its scale belongs.
  @inline(never)
  func packIntegers(
    _ column: Int, _ source: UnsafeRawPointer, rowStride: Int, _ depth: Int, flip: UInt8,
    zero: Int32, _ packed: UnsafeMutablePointer<Int32>
  ) -> UnsafeMutablePointer<Int32> {
    let (panel, words) = (integerPanel, integerWords(depth))
    let start = packed + (column / panel &* panel &* (words &+ 3) &+ column % panel)
    var word = start
    var sum: Int32 = 0
    var shift: Int32 = 0
    for k in 0..<depth {
      let value = Int32(source.load(fromByteOffset: k &* rowStride, as: UInt8.self) ^ flip)
      sum &+= value &- zero
      word.pointee |= value &<< shift
      shift = (shift &+ Int32(truncatingIfNeeded: 32 / byte_word_depth)) & 31
      if shift == 0 { word += panel }
    }
    let numbers = start + words &* panel
    numbers[panel] = zero
    numbers[2 &* panel] = sum
    return numbers
  }
}
