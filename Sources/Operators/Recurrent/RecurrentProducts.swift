import CKernels
import CSystem
import ModelFormat

/// The matrix products of one direction of one group of batch entries: W·x + b for some time steps
/// at once, and R·h for each of them.
struct RecurrentProducts {
  /// How far the projection has come; outlives a time step.
  struct Progress {
    /// Time steps whose W·x + b the sums hold.
    fileprivate(set) var steps = 0..<0
    /// Whether they are in the second half.
    fileprivate var isSecond = false
    /// The next ones', under way where there are any.
    fileprivate var ahead = apus_gemm_ahead()
    fileprivate var isAhead = false

    init() {}
  }

  private(set) var progress: Progress

  private let kernels: UnsafePointer<apus_kernels>
  private let weights: RecurrentWeights
  private let packed: RecurrentWeights.Direction
  private let places: RecurrentPlaces
  private let blocks: Range<Int>
  /// [steps][rows][columns]; twice where the next steps' are made meanwhile.
  private let start: UnsafeMutablePointer<Float>
  /// Room for the vectors of all rows, side by side, where they are not evenly spaced.
  private let gathered: UnsafeMutablePointer<Float>?
  /// Where the weights are integers: room for rows of them.
  private let integers: UnsafeMutablePointer<Int32>?

  init(
    _ kernels: UnsafePointer<apus_kernels>, _ weights: RecurrentWeights,
    _ packed: RecurrentWeights.Direction, _ places: RecurrentPlaces, _ blocks: Range<Int>,
    sums: UnsafeMutablePointer<Float>, gathered: UnsafeMutablePointer<Float>?,
    integers: UnsafeMutablePointer<Int32>?, _ progress: Progress
  ) {
    self.progress = progress
    self.kernels = kernels
    self.weights = weights
    self.packed = packed
    self.places = places
    self.blocks = blocks
    start = sums
    self.gathered = gathered
    self.integers = integers
  }

  private func half(_ isSecond: Bool) -> UnsafeMutablePointer<Float> {
    isSecond ? start + RecurrentStep.projectedRows &* weights.columns : start
  }

  /// The sums of the `row`th row that has not ended.
  func sums(_ step: Int, _ row: Int) -> UnsafeMutablePointer<Float> {
    half(progress.isSecond)
      + ((step &- progress.steps.lowerBound) &* places.count &+ row) &* weights.columns
  }

  // MARK: W·x + b

  /// Goes on to time steps `next` of `length`, which follow `steps`.
  mutating func project(_ next: Range<Int>, of length: Int, looksAhead: Bool) {
    if progress.isAhead { finishAhead() } else { project(next) }
    progress.steps = next
    progress.isAhead = looksAhead && next.upperBound < length
    if !progress.isAhead { return }
    let step = next.upperBound
    let x = places.x(places.firstRow, step)
    progress.ahead = apus_gemm_ahead(
      product: product(
        rows: RecurrentStep.projectedRows, x, stride: places.x(places.firstRow, step &+ 1) - x,
        weights.inputs, packed.input, isWhole ? 0..<weights.columns : columns(0),
        bias: packed.bias, half(!progress.isSecond), weights.columns),
      column: 0, terms: 0)
  }

  /// What the steps have left of the next ones' projection.
  private mutating func finishAhead() {
    var rest = progress.ahead.product
    let panel = kernels.pointee.gemm_columns
    var column = progress.ahead.column
    if progress.ahead.terms > 0 {
      var end = rest
      end.columns = panel
      end.depth = rest.depth &- progress.ahead.terms
      end.a = rest.a + progress.ahead.terms
      end.b = rest.b + (column &* rest.depth &+ progress.ahead.terms &* panel)
      end.c = rest.c + column
      end.bias = nil
      end.accumulate = true
      kernels.pointee.gemm(&end)
      column &+= panel
    }
    rest.columns &-= column
    rest.b = rest.b + column &* rest.depth
    rest.c = rest.c + column
    rest.bias = rest.bias + column
    kernels.pointee.gemm(&rest)
    progress.isSecond = !progress.isSecond
    if isWhole || !hasRest { return }
    project(
      part: 1, rest.rows, rest.a, stride: rest.a_row_stride, half(progress.isSecond),
      weights.columns)
  }

  private func project(_ next: Range<Int>) {
    let first = places.firstRow
    let step = next.lowerBound
    let count = places.count
    if let gathered {
      var active = 0
      for row in first..<first &+ count where step < places.length(row) {
        memcpy(gathered + active &* weights.inputs, places.x(row, step), weights.inputs &* 4)
        active &+= 1
      }
      project(active, gathered, stride: weights.inputs, start, weights.columns)
      return
    }
    let x = places.x(first, step)
    let rowStride = count > 1 ? places.x(first &+ 1, step) - x : 0
    let timeStride = next.count > 1 ? places.x(first, step &+ 1) - x : 0
    if next.count == 1 {
      project(count, x, stride: rowStride, start, weights.columns)
    } else if count == 1 {
      project(next.count, x, stride: timeStride, start, weights.columns)
    } else if timeStride == count &* rowStride {
      project(next.count &* count, x, stride: rowStride, start, weights.columns)
    } else {
      for row in 0..<count {
        project(
          next.count, x + row &* rowStride, stride: timeStride, start + row &* weights.columns,
          count &* weights.columns)
      }
    }
  }

  private func project(
    _ rows: Int, _ x: UnsafePointer<Float>, stride: Int, _ sums: UnsafeMutablePointer<Float>,
    _ sumsStride: Int
  ) {
    project(part: 0, rows, x, stride: stride, sums, sumsStride)
    if hasRest { project(part: 1, rows, x, stride: stride, sums, sumsStride) }
  }

  private func project(
    part: Int, _ rows: Int, _ x: UnsafePointer<Float>, stride: Int,
    _ sums: UnsafeMutablePointer<Float>, _ sumsStride: Int
  ) {
    var g = product(
      rows: rows, x, stride: stride, weights.inputs, packed.input, columns(part),
      bias: packed.bias, sums, sumsStride)
    if let integers {
      weights.multiplyIntegers(g, integers, isBackwards: false)
    } else {
      kernels.pointee.gemm(&g)
    }
  }

  // MARK: R·h

  /// Lays the rows' h side by side where they are not evenly spaced.
  func gather(_ rows: UnsafePointer<apus_recurrent_row>, _ count: Int) {
    guard let gathered else { return }
    for r in 0..<count {
      if let h = rows[r].h { memcpy(gathered + r &* weights.units, h, weights.units &* 4) }
    }
  }

  /// Adds R·h to the sums, of a GRU without its gate h.
  mutating func addState(
    _ rows: UnsafePointer<apus_recurrent_row>, _ count: Int, isBackwards: Bool
  ) {
    guard let (h, stride) = state(rows, count), let sums = rows[0].sums else { return }
    multiply(
      product(
        rows: count, h, stride: stride, weights.units, packed.recurrent, columns(0), bias: nil,
        UnsafeMutablePointer(mutating: sums), weights.columns), isBackwards)
  }

  /// R_h·h + Rb_h, into the candidates.
  mutating func makeCandidates(
    _ rows: UnsafePointer<apus_recurrent_row>, _ count: Int, isBackwards: Bool
  ) {
    guard let (h, stride) = state(rows, count), let candidates = rows[0].candidate else { return }
    // The candidates and that bias have no leading gates before them.
    let before = weights.leadingGates &* weights.lanes
    multiply(
      product(
        rows: count, h, stride: stride, weights.units, packed.recurrent, columns(1),
        bias: packed.recurrentBias - before,
        UnsafeMutablePointer(mutating: candidates) - before, weights.lanes), isBackwards)
  }

  /// Adds R_h·(r⊙h) to the sums.
  mutating func addResetState(
    _ rows: UnsafePointer<apus_recurrent_row>, _ count: Int, isBackwards: Bool
  ) {
    guard let h = rows[0].reset_h, let sums = rows[0].sums else { return }
    multiply(
      product(
        rows: count, h, stride: weights.units, weights.units, packed.recurrent, columns(1),
        bias: nil, UnsafeMutablePointer(mutating: sums), weights.columns), isBackwards)
  }

  private func state(
    _ rows: UnsafePointer<apus_recurrent_row>, _ count: Int
  ) -> (UnsafePointer<Float>, stride: Int)? {
    if let gathered { return (UnsafePointer(gathered), weights.units) }
    guard let h = rows[0].h else { return nil }
    guard count > 1, let next = rows[1].h else { return (h, 0) }
    return (h, next - h)
  }

  private mutating func multiply(_ product: apus_gemm, _ isBackwards: Bool) {
    var g = product
    if let integers {
      weights.multiplyIntegers(g, integers, isBackwards: isBackwards)
    } else if g.rows > 1 {
      kernels.pointee.gemm(&g)
    } else if progress.isAhead {
      kernels.pointee.gemv(&g, &progress.ahead, isBackwards)
    } else {
      kernels.pointee.gemv(&g, nil, isBackwards)
    }
  }

  // MARK: Columns

  private var isWhole: Bool { blocks.count == weights.blocks }
  private var hasRest: Bool { weights.leadingGates < weights.kind.gates }

  /// The blocks' columns of the leading gates, or of the rest.
  private func columns(_ part: Int) -> Range<Int> {
    let leading = weights.leadingGates
    let vector = part == 0 ? leading &* weights.width : weights.width
    let first = part == 0 ? 0 : leading &* weights.lanes
    return first &+ blocks.lowerBound &* vector..<first &+ blocks.upperBound &* vector
  }

  /// Some columns of a product; without a bias it adds to what is there.
  private func product(
    rows: Int, _ a: UnsafePointer<Float>, stride: Int, _ depth: Int,
    _ matrix: UnsafePointer<Float>, _ columns: Range<Int>, bias: UnsafePointer<Float>?,
    _ c: UnsafeMutablePointer<Float>, _ cStride: Int
  ) -> apus_gemm {
    let first = columns.lowerBound
    return apus_gemm(
      rows: rows, columns: columns.count, depth: depth, a: a, a_row_stride: stride,
      a_column_stride: 1, b_row_stride: 0, b: matrix + first &* weights.words(depth),
      c: c + first,
      c_row_stride: cStride, bias: bias.map { $0 + first }, accumulate: bias == nil,
      minimum: -Float.infinity, maximum: Float.infinity)
  }
}
