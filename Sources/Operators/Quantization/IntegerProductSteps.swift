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
  let columnZero: Slot?
  private let columnScale: (slot: Slot, count: Int)?
  private let columnZeros: Int
  private let rowZero: (slot: Slot, count: Int)?
  private let rowScale: (slot: Slot, count: Int)?
  private let bias: Slot?
  private let values: Slot

  init(
    _ product: IntegerProduct, _ context: PlanContext, _ rows: IntegerOperand,
    _ columns: IntegerOperand, bias: Slot?, yScale: Slot?, packedRows: Slot, values: Slot,
    rowCount: Int, columnCount: Int
  ) {
    func numbers(_ input: Int?) -> (slot: Slot, count: Int)? {
      guard let input, let info = context.node.optionalInput(input) else { return nil }
      return (context.input(input), max(1, info.shape.count))
    }
    self.product = product
    self.bias = bias
    self.yScale = yScale
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
  var hasColumnNumbers: Bool { columnCount > 1 }

  // Inside `values`.
  func starts(_ memory: Memory) -> UnsafeMutablePointer<Int32> {
    memory[values].assumingMemoryBound(to: Int32.self)
  }
  func zeros(_ memory: Memory) -> UnsafeMutablePointer<Int32> { starts(memory) + rowCount }
  func sums(_ memory: Memory) -> UnsafeMutablePointer<Int32> { starts(memory) + 2 * rowCount }
  func columnZeros(_ memory: Memory) -> UnsafeMutablePointer<Int32> {
    starts(memory) + 4 * rowCount
  }
  func scales(_ memory: Memory) -> UnsafeMutablePointer<Float> {
    memory.mutableFloats(values) + 3 * rowCount
  }
  func columnScales(_ memory: Memory) -> UnsafeMutablePointer<Float> {
    memory.mutableFloats(values) + (4 * rowCount + columnCount + product.width)
  }

  /// The zero point of a column as packed.
  private func columnZero(_ memory: Memory, _ i: Int) -> Int32 {
    memory.integer(columnZero, i % columnZeros, product.columnType)
      + Int32(truncatingIfNeeded: product.columnType.flip)
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
        columnScales(memory)[i] = memory.floats(columnScale.slot)[i % columnScale.count]
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
  private let yZero: Slot?
  private let type: DataType
  private let y: Slot
  private let hasRowZeros: Bool
  private let rowsOfUnit: Int
  private let rowUnits: Int

  init(
    _ start: IntegerStartStep, threads: Int, x: Slot, packedColumns: Slot?, panels: Slot,
    yZero: Slot?, type: DataType, y: Slot, hasRowZeros: Bool
  ) {
    self.start = start
    self.x = x
    self.packedColumns = packedColumns
    self.panels = panels
    self.yZero = yZero
    self.type = type
    self.y = y
    self.hasRowZeros = hasRowZeros
    let product = start.product
    let units = product.items * product.tiles
    let parts = units >= 4 * threads ? 1 : min(product.panelsOfSet, threads)
    let panelsOfUnit = (product.panelsOfSet + parts - 1) / parts
    rowsOfUnit = panelsOfUnit * product.kernels.pointee.integer_rows
    rowUnits = (product.panelsOfSet + panelsOfUnit - 1) / panelsOfUnit
  }

  override func run(_ memory: Memory, _ share: Share) {
    let product = start.product
    let part = share.part(of: product.items * product.tiles * rowUnits)
    let own =
      memory[panels].assumingMemoryBound(to: Int32.self)
      + (packedColumns == nil ? share.index * product.panelStride : 0)
    var p = apus_integer_product()
    p.words = product.words
    p.y_row_stride = product.columns
    if let yScale = start.yScale {
      p.y_zero = memory.integer(yZero, 0, type)
      p.y_scale = memory.floats(yScale)[0]
      p.y_lower = Float(type.byteRange.lower - p.y_zero)
      p.y_upper = Float(type.byteRange.upper - p.y_zero)
    }
    let fill = Int(memory.integer(start.columnZero, 0, product.columnType)) & 0xFF
    var gathered = -1
    for unit in part {
      let tile = unit / rowUnits
      let item = tile / product.tiles
      let column = (tile - item * product.tiles) * product.width
      let row = (unit - tile * rowUnits) * rowsOfUnit
      let sets = product.sets(item)
      if let packedColumns {
        let i = sets.column * product.tiles + tile - item * product.tiles
        p.b = UnsafePointer(
          memory[packedColumns].assumingMemoryBound(to: Int32.self) + i * product.panelStride)
      } else {
        if gathered != tile {
          product.gather(
            memory[x], set: sets.column, tile: tile - item * product.tiles, fill: fill,
            sums: hasRowZeros, own)
        }
        gathered = tile
        p.b = UnsafePointer(own)
      }
      set(&p, memory, rowSet: sets.row, row, columnSet: sets.column, column)
      p.y = memory[y] + ((item * product.rows + row) * product.columns + column) * type.size
      product.kernels.pointee.integer_product(&p)
    }
  }

  /// The numbers of the rows and columns of a unit.
  private func set(
    _ p: inout apus_integer_product, _ memory: Memory, rowSet: Int, _ row: Int, columnSet: Int,
    _ column: Int
  ) {
    let product = start.product
    let first = rowSet * product.rows + row
    p.rows = min(rowsOfUnit, product.rows - row)
    p.columns = min(product.width, product.columns - column)
    p.a = UnsafePointer(
      memory[start.packedRows].assumingMemoryBound(to: Int32.self)
        + (rowSet * product.setStride + row * product.words))
    p.start = UnsafePointer(start.starts(memory) + first)
    p.a_zeros = hasRowZeros ? UnsafePointer(start.zeros(memory) + first) : nil
    p.a_sums = UnsafePointer(start.sums(memory) + first)
    p.a_scales = start.yScale == nil ? nil : UnsafePointer(start.scales(memory) + first)
    if start.hasColumnNumbers {
      let isOfEachSet = start.columnCount > product.columns
      let position = (isOfEachSet ? columnSet * product.columns : 0) + column
      p.b_zeros = UnsafePointer(start.columnZeros(memory) + position)
      p.b_scales = UnsafePointer(start.columnScales(memory) + position)
    }
  }
}
