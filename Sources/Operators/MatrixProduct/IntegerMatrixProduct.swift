import ModelFormat

/// Y = alpha · A · B + beta · C, or one A · B for each combination of batch axes, in int32 or
/// int64. Sums wrap around. Where alpha or beta is not 1, the scaled sums are added in double
/// precision and lose their fraction; what is beyond the type's range becomes its nearest end.
final class IntegerMatrixStep: Step {
  let rows: Int
  let columns: Int
  let depth: Int
  let isWide: Bool
  let a: Slot
  let b: Slot
  let y: Slot
  /// Elements from one row to the next, and from one column to the next.
  var aStrides: (row: Int, column: Int)
  var bStrides: (row: Int, column: Int)
  var alpha: Float = 1
  var c: Slot?
  var start = MatrixStart()
  /// The batch axes, for MatMul.
  var shapes: MatMulShapes?

  init(_ context: PlanContext, rows: Int, columns: Int, depth: Int) {
    self.rows = rows
    self.columns = columns
    self.depth = depth
    isWide = context.node.input(0).dataType == .int64
    a = context.input(0)
    b = context.input(1)
    y = context.output(0)
    aStrides = (depth, 1)
    bStrides = (columns, 1)
  }

  override func run(_ memory: Memory, _ share: Share) {
    if isWide { run(memory, share, Int64.self) } else { run(memory, share, Int32.self) }
  }

  @inline(__always)
  private func run<T: FixedWidthInteger>(_ memory: Memory, _ share: Share, _ type: T.Type) {
    let a = memory[a].assumingMemoryBound(to: T.self)
    let b = memory[b].assumingMemoryBound(to: T.self)
    let y = memory[y].assumingMemoryBound(to: T.self)
    for line in share.part(of: (shapes?.batch.count ?? 1) &* rows) {
      let product = line / rows
      let row = line &- product &* rows
      let offsets = shapes?.offsets(product) ?? (a: 0, b: 0)
      let left = a + (offsets.a &+ row &* aStrides.row)
      for column in 0..<columns {
        let right = b + (offsets.b &+ column &* bStrides.column)
        var sum: T = 0
        for k in 0..<depth {
          sum = sum &+ left[k &* aStrides.column] &* right[k &* bStrides.row]
        }
        var added: T = 0
        if let c {
          added = memory[c].assumingMemoryBound(to: T.self)[
            row &* start.rowStride &+ column &* start.columnStride]
        }
        y[line &* columns &+ column] = combined(sum, added)
      }
    }
  }

  @inline(__always) private func combined<T: FixedWidthInteger>(_ sum: T, _ added: T) -> T {
    if alpha == 1 && (c == nil || start.beta == 1) { return sum &+ added }
    let value = Double(alpha) * Double(sum) + Double(start.beta) * Double(added)
    if value != value { return 0 }
    if value >= Double(T.max) { return T.max }
    return value <= Double(T.min) ? T.min : T(truncatingIfNeeded: Int64(value))
  }
}
