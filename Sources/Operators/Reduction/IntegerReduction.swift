import CKernels
import CSystem
import ModelFormat

/// y = reduce(x) in an integer type or bool: sums and products wrap around, means and roots lose
/// their fraction. An empty maximum is the type's smallest value, an empty minimum its greatest, an
/// empty mean 0.
final class IntegerReductionStep: Step {
  let function: Int
  let isMean: Bool
  let isRoot: Bool
  let layout: ReductionLayout
  let type: DataType
  let x: Slot
  let y: Slot

  /// - Parameter function: one of APUS_REDUCE_… but EXP_SUM.
  init(
    _ function: Int, isMean: Bool, isRoot: Bool, _ layout: ReductionLayout, _ type: DataType,
    _ x: Slot, _ y: Slot
  ) {
    self.function = function
    self.isMean = isMean
    self.isRoot = isRoot
    self.layout = layout
    self.type = type
    self.x = x
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    let x = UnsafeRawPointer(memory[x])
    let y = memory[y]
    withIntegerChunk { chunk in
      for i in share.part(of: layout.outputCount, grain: 64) {
        var result = finished(reduce(x, i, chunk))
        storeIntegers(&result, y + i &* type.size, type, 1)
      }
    }
  }

  /// All that goes into output element i.
  private func reduce(_ x: UnsafeRawPointer, _ i: Int, _ v: IntegerChunk) -> Int64 {
    var total = identity
    if layout.reducedCount == 0 { return total }
    let isRow = layout.columns == 0
    let block = isRow ? i : i / layout.columns
    let first = layout.keptOffset(block) &+ (isRow ? 0 : i &- block &* layout.columns)
    let step = isRow ? 1 : layout.columns
    let count = isRow ? layout.length : layout.rows
    for run in 0..<layout.runs {
      let start = first &+ layout.reducedOffset(run)
      var k = 0
      while k < count {
        let n = min(chunkCount, count &- k)
        loadIntegers(x + (start &+ k &* step) &* type.size, type, step: step, n, v)
        for q in 0..<n { total = combined(total, v[q]) }
        k &+= n
      }
    }
    return total
  }

  private var identity: Int64 {
    switch function {
    case APUS_REDUCE_PROD: return 1
    case APUS_REDUCE_MAX: return limits.lowest
    case APUS_REDUCE_MIN: return limits.highest
    default: return 0
    }
  }

  private var limits: (lowest: Int64, highest: Int64) {
    switch type {
    case .int8: return (-128, 127)
    case .uint8: return (0, 255)
    case .int32: return (Int64(Int32.min), Int64(Int32.max))
    case .bool: return (0, 1)
    default: return (Int64.min, Int64.max)
    }
  }

  @inline(__always) private func combined(_ a: Int64, _ b: Int64) -> Int64 {
    switch function {
    case APUS_REDUCE_ABS_SUM: return a &+ (b < 0 ? 0 &- b : b)
    case APUS_REDUCE_SQUARE_SUM: return a &+ b &* b
    case APUS_REDUCE_PROD: return a &* b
    case APUS_REDUCE_MAX: return b > a ? b : a
    case APUS_REDUCE_MIN: return b < a ? b : a
    default: return a &+ b
    }
  }

  private func finished(_ total: Int64) -> Int64 {
    if isMean { return layout.reducedCount == 0 ? 0 : total / Int64(layout.reducedCount) }
    return isRoot ? Int64(Double(max(0, total)).squareRoot()) : total
  }
}
