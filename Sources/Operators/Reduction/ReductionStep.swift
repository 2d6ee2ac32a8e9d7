import CKernels
import CSystem
import ModelFormat

/// What follows the reduction itself, element by element.
struct ReductionEnd {
  /// One of APUS_UNARY_…, or −1 for nothing.
  var function = -1
  var factor: Float = 1
}

/// y = end(reduce(x)). Each output element is reduced by one thread, in an order that depends on the
/// shape alone.
final class ReductionStep: Step {
  let kernels: UnsafePointer<apus_kernels>
  let function: Int
  let layout: ReductionLayout
  let end: ReductionEnd
  let x: Slot
  let y: Slot
  /// Only for log Σ e^x: as many elements as the output, for the greatest ones.
  let greatest: Slot?

  init(
    _ kernels: UnsafePointer<apus_kernels>, _ function: Int, _ layout: ReductionLayout,
    _ end: ReductionEnd, _ x: Slot, _ y: Slot, greatest: Slot? = nil
  ) {
    self.kernels = kernels
    self.function = function
    self.layout = layout
    self.end = end
    self.x = x
    self.y = y
    self.greatest = greatest
  }

  override func run(_ memory: Memory, _ share: Share) {
    let part = share.part(of: layout.outputCount, grain: 16)
    if part.isEmpty { return }
    let x = memory.floats(x)
    let y = memory.mutableFloats(y)
    if let greatest {
      let shift = memory.mutableFloats(greatest)
      reduce(APUS_REDUCE_MAX, x, nil, shift, part)
      for i in part where !shift[i].isFinite { shift[i] = 0 }
      reduce(function, x, UnsafePointer(shift), y, part)
    } else {
      reduce(function, x, nil, y, part)
    }
    let first = y + part.lowerBound
    if end.function >= 0 {
      kernels.pointee.unary(end.function, first, first, part.count, end.factor, 0)
    }
    if let greatest {
      let shift = memory.floats(greatest) + part.lowerBound
      kernels.pointee.binary(APUS_BINARY_ADD, shift, 1, first, 1, first, part.count)
    }
  }

  private func reduce(
    _ f: Int, _ x: UnsafePointer<Float>, _ shift: UnsafePointer<Float>?,
    _ y: UnsafeMutablePointer<Float>, _ part: Range<Int>
  ) {
    if layout.reducedCount == 0 {
      for i in part { y[i] = kernels.pointee.reduce_row(f, x, 0, 0) }
    } else if layout.columns == 0 {
      for i in part { y[i] = reduceRuns(f, x + layout.keptOffset(i), shift.map { $0[i] } ?? 0) }
    } else {
      forEachColumnRun(part, columns: layout.columns) { block, column, n in
        let start = x + (layout.keptOffset(block) &+ column)
        let at = block &* layout.columns &+ column
        var k = 0
        while k < layout.runs {
          kernels.pointee.reduce_columns(
            f, start + layout.reducedOffset(k), layout.rows, layout.columns, n,
            shift.map { $0 + at }, k > 0, y + at)
          k &+= 1
        }
      }
    }
  }

  /// The rows of one output element, their sums added in double precision.
  private func reduceRuns(_ f: Int, _ x: UnsafePointer<Float>, _ shift: Float) -> Float {
    var result = kernels.pointee.reduce_row(f, x, layout.length, shift)
    if layout.runs == 1 { return result }
    var sum = Double(result)
    var k = 1
    while k < layout.runs {
      let next = kernels.pointee.reduce_row(
        f, x + layout.reducedOffset(k), layout.length, shift)
      switch f {
      case APUS_REDUCE_MAX: if next > result || next.isNaN { result = next }
      case APUS_REDUCE_MIN: if next < result || next.isNaN { result = next }
      case APUS_REDUCE_PROD: result *= next
      default: sum += Double(next)
      }
      k &+= 1
    }
    switch f {
    case APUS_REDUCE_MAX, APUS_REDUCE_MIN, APUS_REDUCE_PROD: return result
    default: return Float(sum)
    }
  }
}
