import CKernels
import CSystem
import ModelFormat

/// One row of bytes times a constant matrix of them: it waits for the matrix, every byte of which is
/// used once. The kernel is that of recurrent layers, without its floats.
private final class IntegerRowStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let type: DataType
  private let depth: Int
  private let columns: Int
  private let words: Int
  private let panel: Int
  private let a: Slot
  private let zero: Slot?
  private let packed: Slot
  private let y: Slot
  private let room: Slot

  init(_ context: PlanContext, _ a: IntegerOperand, _ shapes: MatMulShapes, packed: Slot) {
    kernels = context.kernels
    type = a.type(context.node)
    depth = shapes.depth
    columns = shapes.columns
    words = kernels.pointee.integerWords(depth)
    panel = kernels.pointee.integerPanel
    self.a = context.input(a.tensor)
    zero = context.optionalInput(a.zero)
    self.packed = packed
    y = context.output(0)
    room = context.scratch(byteCount: context.threads * 4 * (words + 4 * panel + 4))
  }

  override func run(_ memory: Memory, _ share: Share) {
    // The row, a tile of four, and the numbers of the row, which only floats need.
    let row = memory[room].assumingMemoryBound(to: Int32.self)
      + share.index &* (words &+ 4 &* panel &+ 4)
    let tile = row + words
    memset(row, 0, words &* 4)
    // As bytes with a sign.
    let flip = 0x80 ^ type.flip
    for i in 0..<depth {
      let byte = memory[a].load(fromByteOffset: i, as: UInt8.self)
      UnsafeMutableRawPointer(row).storeBytes(of: byte ^ flip, toByteOffset: i, as: UInt8.self)
    }
    let sum = kernels.pointee.integerWords(row, depth)
    let zero = memory.integer(zero, 0, type) &- Int32(flip)
    var p = apus_integer_gemv(
      rows: 1, words: words, columns: 0, a: row,
      numbers: UnsafeRawPointer(tile + 4 &* panel).assumingMemoryBound(to: apus_integer_row.self),
      b: memory[packed].assumingMemoryBound(to: Int32.self), bias: nil,
      y: memory.mutableFloats(y), y_row_stride: 0)
    for i in share.part(of: (columns &+ panel &- 1) / panel) {
      let column = i &* panel
      kernels.pointee.integer_gemv(&p, 0, column, tile)
      let zeros = p.b + (column &* (words &+ 3) &+ (words &+ 1) &* panel)
      let y = memory[y].assumingMemoryBound(to: Int32.self) + column
      for k in 0..<min(panel, columns &- column) {
        y[k] = tile[k] &- sum &* zeros[k] &- zero &* zeros[panel &+ k]
      }
    }
  }
}

extension PlanContext {
  /// Plans a MatMulInteger of a single row and a constant matrix with constant zero points.
  func planIntegerRow(_ a: IntegerOperand, _ b: IntegerOperand, _ shapes: MatMulShapes) -> Bool {
    let (depth, columns) = (shapes.depth, shapes.columns)
    guard shapes.isSingle, shapes.rows == 1, depth > 0, let matrix = node.input(b.tensor).constant
    else { return false }
    let zeros = node.optionalInput(b.zero)
    let values = zeros?.constant
    if zeros != nil && values == nil { return false }
    let step = zeros.map { $0.shape.count == 1 ? 0 : 1 } ?? 0
    let kernels = kernels
    let panel = kernels.pointee.integerPanel
    let flip = b.type(node).flip
    let byteCount =
      4 * ((columns + panel - 1) / panel * panel) * (kernels.pointee.integerWords(depth) + 3)
    let packed = packedWeights(
      tag: 2 + kernels.pointee.byte_word_depth, byteCount: byteCount
    ) { target in
      memset(target, 0, byteCount)
      for column in 0..<columns {
        let zero = values?.load(fromByteOffset: column * step, as: UInt8.self) ?? 0
        _ = kernels.pointee.packIntegers(
          column, matrix + column, rowStride: columns, depth, flip: flip, zero: Int32(zero ^ flip),
          target.assumingMemoryBound(to: Int32.self))
      }
    }
    emit(
      IntegerRowStep(self, a, shapes, packed: packed), multiplyAccumulates: depth * columns,
      elements: 0)
    return true
  }
}
