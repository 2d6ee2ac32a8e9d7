import CKernels
import ModelFormat

/// Packs rows that are no constant.
final class PackIntegerRowsStep: Step {
  private let product: IntegerProduct
  private let a: Slot
  private let packed: Slot
  private let panels: Int

  init(_ product: IntegerProduct, _ a: Slot, _ packed: Slot, _ panels: Int) {
    self.product = product
    self.a = a
    self.packed = packed
    self.panels = panels
  }

  override func run(_ memory: Memory, _ share: Share) {
    product.packRows(memory[a], memory[packed], share.part(of: panels))
  }
}

/// What the rows' sums start from, with bias and zero points in it, and their scales: the numbers
/// that apus_integer_product wants, one for each row and, where it has several, of each column.
final class IntegerStartStep: Step {
  let product: IntegerProduct
  let packedRows: Slot
  let rowCount: Int
  let columnCount: Int
  let yScale: Slot?
  let hasRowZeros: Bool
  /// Of the output.
  let type: DataType
  private let yZero: Slot?
  private let columnZero: Slot?
  private let columnScale: (slot: Slot, count: Int)?
  private let columnZeros: Int
  private let rowZero: (slot: Slot, count: Int)?
  private let rowScale: (slot: Slot, count: Int)?
  private let bias: Slot?
  private let values: Slot

  init(
    _ product: IntegerProduct, _ context: PlanContext, _ rows: IntegerOperand,
    _ columns: IntegerOperand, bias: Slot?, yScale: Slot?, yZero: Slot?, packedRows: Slot,
    values: Slot, rowCount: Int, columnCount: Int, hasRowZeros: Bool
  ) {
    func numbers(_ input: Int?) -> (slot: Slot, count: Int)? {
      guard let input, let info = context.node.optionalInput(input) else { return nil }
      return (context.input(input), max(1, info.shape.count))
    }
    self.product = product
    self.bias = bias
    self.yScale = yScale
    self.yZero = yZero
    self.hasRowZeros = hasRowZeros
    type = context.node.outputs[0].dataType
    self.packedRows = packedRows
    self.values = values
    self.rowCount = rowCount
    self.columnCount = columnCount
    rowZero = numbers(rows.zero)
    rowScale = numbers(rows.scale)
    let zeros = numbers(columns.zero)
    columnZero = zeros?.slot
    columnZeros = zeros?.count ?? 1
    columnScale = numbers(columns.scale)
  }

  /// The columns have numbers of their own, not one for all.
  private var hasColumnNumbers: Bool { columnCount > 1 }

  /// What all rows and columns share.
  func descriptor(_ memory: Memory) -> apus_integer_product {
    var p = apus_integer_product()
    p.words = product.words
    p.y_row_stride = product.columns
    if let yScale {
      p.y_zero = memory.integer(yZero, 0, type)
      p.y_scale = memory.floats(yScale)[0]
      p.y_lower = Float(type.byteRange.lower - p.y_zero)
      p.y_upper = Float(type.byteRange.upper - p.y_zero)
    }
    return p
  }

  /// The numbers of the rows from `row` of a set on.
  func setRows(_ p: inout apus_integer_product, _ memory: Memory, set: Int, _ row: Int) {
    let first = set * product.rows + row
    p.a = UnsafePointer(
      memory[packedRows].assumingMemoryBound(to: Int32.self)
        + (set * product.setStride + row * product.words))
    p.start = UnsafePointer(starts(memory) + first)
    p.a_zeros = hasRowZeros ? UnsafePointer(zeros(memory) + first) : nil
    p.a_sums = UnsafePointer(sums(memory) + first)
    p.a_scales = yScale == nil ? nil : UnsafePointer(scales(memory) + first)
  }

  /// What the columns' padding counts as: their zero point, a byte.
  func fill(_ memory: Memory) -> Int {
    Int(memory.integer(columnZero, 0, product.columnType)) & 0xFF
  }

  // Inside `values`.
  private func starts(_ memory: Memory) -> UnsafeMutablePointer<Int32> {
    memory[values].assumingMemoryBound(to: Int32.self)
  }
  private func zeros(_ memory: Memory) -> UnsafeMutablePointer<Int32> { starts(memory) + rowCount }
  private func sums(_ memory: Memory) -> UnsafeMutablePointer<Int32> {
    starts(memory) + 2 * rowCount
  }
  private func columnZeros(_ memory: Memory) -> UnsafeMutablePointer<Int32> {
    starts(memory) + 4 * rowCount
  }
  private func scales(_ memory: Memory) -> UnsafeMutablePointer<Float> {
    memory.mutableFloats(values) + 3 * rowCount
  }
  private func columnScales(_ memory: Memory) -> UnsafeMutablePointer<Float> {
    memory.mutableFloats(values) + (4 * rowCount + columnCount + product.width)
  }

  /// The zero point of a column as packed.
  private func columnZero(_ memory: Memory, _ i: Int) -> Int32 {
    memory.integer(columnZero, min(i, columnZeros - 1), product.columnType)
      + Int32(product.columnType.flip)
  }

  /// The numbers of the columns from `column` of a set on, where they have any.
  func setColumns(_ p: inout apus_integer_product, _ memory: Memory, set: Int, _ column: Int) {
    if !hasColumnNumbers { return }
    let position = (columnCount > product.columns ? set * product.columns : 0) + column
    p.b_zeros = UnsafePointer(columnZeros(memory) + position)
    p.b_scales = yScale == nil ? nil : UnsafePointer(columnScales(memory) + position)
  }

  override func run(_ memory: Memory, _ share: Share) {
    let depth = Int32(truncatingIfNeeded: product.depth)
    let packed = memory[packedRows].assumingMemoryBound(to: Int32.self)
    let common = hasColumnNumbers ? 0 : columnZero(memory, 0)
    for i in 0..<rowCount {
      let set = i / product.rows
      let sum = packed[set * product.setStride + product.sumsOffset + i % product.rows]
      let zero =
        memory.integer(rowZero?.slot, i % (rowZero?.count ?? 1), product.rowType)
        - (product.rowType == .uint8 ? 128 : 0)
      let centred = sum &- depth &* zero
      zeros(memory)[i] = zero
      sums(memory)[i] = centred
      starts(memory)[i] = memory.integer(bias, i, .int32) &- common &* centred
      if let rowScale, let columnScale, let yScale {
        let scale = memory.floats(rowScale.slot)[i % rowScale.count]
        scales(memory)[i] =
          hasColumnNumbers
          ? scale
          : scale * memory.floats(columnScale.slot)[0] / memory.floats(yScale)[0]
      }
    }
    if !hasColumnNumbers { return }
    for i in 0..<columnCount {
      columnZeros(memory)[i] = columnZero(memory, i)
      if let columnScale {
        columnScales(memory)[i] = memory.floats(columnScale.slot)[min(i, columnScale.count - 1)]
      }
    }
  }
}

/// The product itself. The unit of work is a tile of columns with all its rows; where there are few
/// tiles, with a part of its rows.
final class IntegerProductStep: Step {
  private let start: IntegerStartStep
  private let x: Slot
  private let packedColumns: Slot?
  private let panels: Slot
  private let y: Slot
  private let rowsOfUnit: Int
  private let rowUnits: Int

  init(
    _ start: IntegerStartStep, threads: Int, x: Slot, packedColumns: Slot?, panels: Slot, y: Slot
  ) {
    self.start = start
    self.x = x
    self.packedColumns = packedColumns
    self.panels = panels
    self.y = y
    let product = start.product
    let units = product.items * product.tiles
    let parts = units >= 4 * threads ? 1 : min(product.panelsOfSet, threads)
    let panelsOfUnit = (product.panelsOfSet + parts - 1) / parts
    rowsOfUnit = panelsOfUnit * product.kernels.pointee.integer_rows
    rowUnits = (product.panelsOfSet + panelsOfUnit - 1) / panelsOfUnit
  }

  override func run(_ memory: Memory, _ share: Share) {
    let product = start.product
    let panels =
      memory[packedColumns ?? panels].assumingMemoryBound(to: Int32.self)
      + (packedColumns == nil ? share.index * product.panelStride : 0)
    var p = start.descriptor(memory)
    let fill = start.fill(memory)
    var gathered = -1
    for unit in share.part(of: product.items * product.tiles * rowUnits) {
      let position = unit / rowUnits
      let item = position / product.tiles
      let tile = position - item * product.tiles
      let column = tile * product.width
      let row = (unit - position * rowUnits) * rowsOfUnit
      let sets = product.sets(item)
      p.b = UnsafePointer(panels)
      if packedColumns != nil {
        p.b = UnsafePointer(panels + (sets.column * product.tiles + tile) * product.panelStride)
      } else if gathered != position {
        product.gather(
          memory[x], set: sets.column, tile: tile, fill: fill, sums: start.hasRowZeros, panels)
        gathered = position
      }
      start.setRows(&p, memory, set: sets.row, row)
      start.setColumns(&p, memory, set: sets.column, column)
      p.rows = min(rowsOfUnit, product.rows - row)
      p.columns = min(product.width, product.columns - column)
      p.y =
        memory[y] + ((item * product.rows + row) * product.columns + column) * start.type.size
      product.kernels.pointee.integer_product(&p)
    }
  }
}
