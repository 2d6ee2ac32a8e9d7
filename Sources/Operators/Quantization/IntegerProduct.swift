import CKernels
import ModelFormat

/// One factor of a product of 8-bit integers: the node's inputs that are its tensor, its scale
/// (where the node has one) and its zero point (which may be left out).
struct IntegerOperand {
  let tensor: Int
  let scale: Int?
  let zero: Int

  func type(_ node: NodeContext) -> DataType { node.input(tensor).dataType }

  /// How many scales or zero points there are, whichever is more.
  func parameterCount(_ node: NodeContext) -> Int {
    max(node.optionalInput(zero)?.shape.count ?? 1, scale.map { node.input($0).shape.count } ?? 1)
  }

  /// Checks the types of the three.
  func check(_ node: NodeContext) throws(ApusError) {
    try node.requireBytes(tensor, zero: zero)
    if let scale { try node.requireType(scale, .float32) }
  }

  /// Checks that scale and zero point have one of these shapes; both may be single numbers.
  func checkParameters(_ node: NodeContext, _ first: Shape, _ second: Shape) throws(ApusError) {
    for i in [scale, zero] {
      guard let i, let shape = node.optionalInput(i)?.shape else { continue }
      try node.require(
        (shape.rank <= 1 && shape.count == 1) || shape == first || shape == second,
        "input \(i) must be a single number or \(first) and is \(shape)")
    }
  }
}

/// Everything that the steps of an integer product know.
///
/// The product is that of a convolution, rows being output channels and columns output positions; a
/// product of matrices is one of 1 x 1. Row sets are the groups' weights or A's matrices, column
/// sets the groups' inputs or B's matrices.
final class IntegerProduct {
  let kernels: UnsafePointer<apus_kernels>
  let pass: ConvolutionPass
  let rowSets: Int
  let columnSets: Int
  let items: Int
  /// Row set and column set of each item by the operands' strides; nil: the group's and the item's.
  let matrices: MatMulShapes?
  let rowType: DataType
  let columnType: DataType

  init(
    _ context: PlanContext, _ pass: ConvolutionPass, _ rows: IntegerOperand,
    _ columns: IntegerOperand, rowSets: Int, columnSets: Int, items: Int,
    matrices: MatMulShapes? = nil
  ) {
    kernels = context.kernels
    self.pass = pass
    self.rowSets = rowSets
    self.columnSets = columnSets
    self.items = items
    self.matrices = matrices
    rowType = rows.type(context.node)
    columnType = columns.type(context.node)
  }

  var rows: Int { pass.rows }
  var columns: Int { pass.descriptor.columns }
  var depth: Int { pass.depth }
  var width: Int { kernels.pointee.integer_columns }
  var tiles: Int { (columns + width - 1) / width }
  var panelsOfSet: Int { (rows + kernels.pointee.integer_rows - 1) / kernels.pointee.integer_rows }
  var words: Int {
    let depth = kernels.pointee.integer_word_depth
    return (pass.descriptor.channels + depth - 1) / depth * pass.descriptor.taps
  }
  /// int32 of packed rows of a set; their sums follow.
  var sumsOffset: Int { panelsOfSet * kernels.pointee.integer_rows * words }
  var setStride: Int { sumsOffset + panelsOfSet * kernels.pointee.integer_rows }
  /// int32 of a packed tile of columns.
  var panelStride: Int { (words + 1) * width }
  /// Bytes of x of a column set.
  var inputStride: Int {
    let c = pass.descriptor
    return c.channels * c.input_depth * c.input_height * c.input_width
  }

  /// Which rows and which columns item `i` multiplies.
  func sets(_ i: Int) -> (row: Int, column: Int) {
    guard let matrices else { return (i % rowSets, i) }
    let (a, b) = matrices.offsets(i)
    return (a / max(1, rows * depth), b / max(1, inputStride))
  }

  func packRows(_ a: UnsafeRawPointer, _ packed: UnsafeMutableRawPointer, _ part: Range<Int>) {
    let height = kernels.pointee.integer_rows
    for i in part {
      let set = i / panelsOfSet
      let row = i % panelsOfSet * height
      let out = packed.assumingMemoryBound(to: Int32.self) + set * setStride
      kernels.pointee.integer_pack_rows(
        a.assumingMemoryBound(to: UInt8.self) + (set * rows + row) * depth, min(height, rows - row),
        pass.descriptor.channels, pass.descriptor.taps, Int(0x80 - rowType.flip), out + row * words,
        out + (sumsOffset + row))
    }
  }

  func gather(
    _ x: UnsafeRawPointer, set: Int, tile: Int, fill: Int, sums: Bool,
    _ panel: UnsafeMutablePointer<Int32>
  ) {
    withUnsafePointer(to: pass.descriptor) {
      kernels.pointee.integer_gather(
        $0, x.assumingMemoryBound(to: UInt8.self) + set * inputStride, Int(columnType.flip), fill,
        tile * width, sums, panel)
    }
  }

  /// All tiles of all column sets.
  func packColumns(_ x: UnsafeRawPointer, _ packed: UnsafeMutableRawPointer) {
    let out = packed.assumingMemoryBound(to: Int32.self)
    for i in 0..<(columnSets * tiles) {
      gather(x, set: i / tiles, tile: i % tiles, fill: 0, sums: true, out + i * panelStride)
    }
  }
}

extension PlanContext {
  /// Emits the steps that compute output 0 = rows · columns (+ bias), requantised where `result`
  /// names the inputs that are the output's scale and zero point.
  func planIntegerProduct(
    _ product: IntegerProduct, _ rows: IntegerOperand, _ columns: IntegerOperand,
    bias: Int? = nil, result: (scale: Int, zero: Int)? = nil
  ) {
    let work = product.items &* product.rows &* product.columns &* product.depth
    let rowBytes = max(4, product.rowSets * product.setStride * 4)
    let panels = product.rowSets * product.panelsOfSet
    var packedRows: Slot
    if let constant = node.input(rows.tensor).constant {
      packedRows = packedWeights(tag: 0, byteCount: rowBytes) {
        product.packRows(constant, $0, 0..<panels)
      }
    } else {
      packedRows = scratch(byteCount: rowBytes)
      emit(
        PackIntegerRowsStep(product, input(rows.tensor), packedRows, panels),
        work: product.rowSets * product.rows * product.depth)
    }
    // Without padding a constant's panels never change.
    var packedColumns: Slot? = nil
    if product.matrices != nil, let constant = node.input(columns.tensor).constant {
      packedColumns = packedWeights(
        tag: 1, byteCount: product.columnSets * product.tiles * product.panelStride * 4
      ) { product.packColumns(constant, $0) }
    }
    let rowCount = product.rowSets * product.rows
    let columnCount = columns.parameterCount(node)
    let start = IntegerStartStep(
      product, self, rows, columns, bias: bias.flatMap { optionalInput($0) },
      yScale: result.map { input($0.scale) }, yZero: result.map { input($0.zero) },
      packedRows: packedRows,
      // A tile reads whole vectors of the columns' numbers.
      values: scratch(byteCount: (4 * rowCount + 2 * (columnCount + product.width)) * 4),
      rowCount: rowCount, columnCount: columnCount, hasRowZeros: hasZeros(rows))
    emit(start, work: 0)
    emit(
      IntegerProductStep(
        start, threads: threads, x: input(columns.tensor), packedColumns: packedColumns,
        panels: scratch(byteCount: packedColumns == nil ? threads * product.panelStride * 4 : 4),
        y: output(0)),
      work: work)
  }

  /// Whether the rows' zero points, as packed, may be other than 0.
  private func hasZeros(_ operand: IntegerOperand) -> Bool {
    let type = operand.type(node)
    guard let zero = node.optionalInput(operand.zero) else { return type == .uint8 }
    guard let constant = zero.constant else { return true }
    for i in 0..<zero.shape.count
    where constant.integer(i, type) != (type == .uint8 ? 128 : 0) { return true }
    return false
  }
}
