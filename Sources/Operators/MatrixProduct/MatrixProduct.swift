import CKernels
import ModelFormat

/// A matrix product as the steps of Gemm and MatMul run it: sizes, strides, and how threads share
/// it.
struct MatrixProduct {
  let rows: Int
  let columns: Int
  let depth: Int
  let activation: Activation
  var aRowStride = 0
  var aColumnStride = 1
  /// 0: B is packed.
  var bRowStride = 0

  init(rows: Int, columns: Int, depth: Int, _ activation: Activation) {
    self.rows = rows
    self.columns = columns
    self.depth = depth
    self.activation = activation
  }

  /// The rows and columns that are `share`'s: by panels of rows where each thread gets one, else by
  /// panels of columns.
  func part(
    _ kernels: UnsafePointer<apus_kernels>, _ share: Share
  ) -> (rows: Range<Int>, columns: Range<Int>) {
    let panelRows = kernels.pointee.convolution_rows
    if rows >= panelRows * share.count {
      return (share.part(of: rows, grain: panelRows), 0..<columns)
    }
    return (0..<rows, share.part(of: columns, grain: kernels.pointee.gemm_columns))
  }

  /// Computes `rows` x `columns` of Y, which starts from the bias, from Y, or from nothing.
  /// `columns` starts at a multiple of the panel's columns.
  func run(
    _ kernels: UnsafePointer<apus_kernels>, a: UnsafePointer<Float>, b: UnsafePointer<Float>,
    bias: UnsafePointer<Float>?, accumulates: Bool, _ y: UnsafeMutablePointer<Float>,
    _ rows: Range<Int>, _ columns: Range<Int>
  ) {
    let first = columns.lowerBound
    var g = apus_gemm(
      rows: rows.count, columns: columns.count, depth: depth,
      a: a + rows.lowerBound * aRowStride, a_row_stride: aRowStride,
      a_column_stride: aColumnStride, b_row_stride: bRowStride,
      b: b + (bRowStride == 0 ? first * kernels.pointee.words(depth) : first),
      c: y + (rows.lowerBound * self.columns + first), c_row_stride: self.columns,
      bias: bias.map { $0 + first }, accumulate: accumulates, minimum: activation.minimum,
      maximum: activation.maximum)
    kernels.pointee.gemm(&g)
  }
}

extension apus_kernels {
  /// Words that so many numbers of the depth take, packed.
  func words(_ depth: Int) -> Int { (depth &+ word_depth &- 1) / word_depth }

  /// Of packings in the order of these kernels.
  var tag: Int { word_depth == 1 ? 0 : PackedWeights.bf16 }
}

extension PlanContext {
  /// The kernels for products with input `i`, packed.
  func productKernels(_ i: Int) -> UnsafePointer<apus_kernels> {
    node.input(i).constant == nil ? kernels : matrixKernels
  }

  /// Packs scale · B for the gemm of `productKernels`, where B is input `i` of the node,
  /// [depth][columns] with these strides: once for the model where it is constant, else by a step in
  /// each run.
  func packedMatrix(
    _ i: Int, depth: Int, columns: Int, rowStride: Int, columnStride: Int, scale: Float
  ) -> Slot {
    let kernels = productKernels(i)
    let width = kernels.pointee.gemm_columns
    let byteCount = max(
      4, (columns + width - 1) / width * width * kernels.pointee.words(depth) * 4)
    if let constant = node.input(i).constant {
      let source = constant.assumingMemoryBound(to: Float.self)
      return packedWeights(tag: kernels.pointee.tag, byteCount: byteCount) {
        kernels.pointee.gemm_pack(
          source, rowStride, columnStride, depth, columns, scale,
          $0.assumingMemoryBound(to: Float.self))
      }
    }
    let slot = scratch(byteCount: byteCount)
    emit(
      PackMatrixStep(
        kernels, depth: depth, columns: columns, rowStride: rowStride, columnStride: columnStride,
        scale: scale, matrix: input(i), packed: slot),
      work: depth * columns)
    return slot
  }
}

private final class PackMatrixStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let depth: Int
  private let columns: Int
  private let rowStride: Int
  private let columnStride: Int
  private let scale: Float
  private let matrix: Slot
  private let packed: Slot

  init(
    _ kernels: UnsafePointer<apus_kernels>, depth: Int, columns: Int, rowStride: Int,
    columnStride: Int, scale: Float, matrix: Slot, packed: Slot
  ) {
    self.kernels = kernels
    self.depth = depth
    self.columns = columns
    self.rowStride = rowStride
    self.columnStride = columnStride
    self.scale = scale
    self.matrix = matrix
    self.packed = packed
  }

  override func run(_ memory: Memory, _ share: Share) {
    let part = share.part(of: columns, grain: kernels.pointee.gemm_columns)
    if part.isEmpty { return }
    kernels.pointee.gemm_pack(
      memory.floats(matrix) + part.lowerBound * columnStride, rowStride, columnStride, depth,
      part.count, scale, memory.mutableFloats(packed) + part.lowerBound * depth)
  }
}
