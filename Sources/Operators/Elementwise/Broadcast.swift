import ModelFormat

/// Where the elements of two inputs lie that are broadcast to one dense output, NumPy's rules.
///
/// Made when a session is planned. Dimensions of 1 are gone, and dimensions that all three arrays
/// walk through in one go are one, so that the innermost strides are 0 or 1.
struct Broadcast {
  private(set) var rank = 0
  private(set) var counts = InlineArray<8, Int>(repeating: 1)
  /// Elements, 0 along dimensions that the input repeats.
  private(set) var aStrides = InlineArray<8, Int>(repeating: 0)
  private(set) var bStrides = InlineArray<8, Int>(repeating: 0)
  /// Elements of the output.
  let total: Int

  init(_ a: Shape, _ b: Shape, to y: Shape) {
    total = y.count
    if total == 0 { return }
    let aAll = broadcastStrides(a, to: y, elementSize: 1)
    let bAll = broadcastStrides(b, to: y, elementSize: 1)
    for d in 0..<y.rank where y[d] != 1 {
      if rank > 0, aStrides[rank - 1] == aAll[d] * y[d], bStrides[rank - 1] == bAll[d] * y[d] {
        rank -= 1
        counts[rank] *= y[d]
      } else {
        counts[rank] = y[d]
      }
      aStrides[rank] = aAll[d]
      bStrides[rank] = bAll[d]
      rank += 1
    }
    rank = max(rank, 1)
  }

  /// Elements of a run: the innermost dimension.
  @inline(__always) var runLength: Int { counts[rank &- 1] }
  @inline(__always) var aStep: Int { aStrides[rank &- 1] }
  @inline(__always) var bStep: Int { bStrides[rank &- 1] }

  /// Calls body(a, b, y, n) for each run of output elements y ..< y + n within `range`; a and b are
  /// the positions of the run's first operands.
  @inline(__always)
  func forEachRun(in range: Range<Int>, _ body: (Int, Int, Int, Int) -> Void) {
    var position = range.lowerBound
    while position < range.upperBound {
      var rest = position / runLength
      let column = position &- rest &* runLength
      let n = min(runLength &- column, range.upperBound &- position)
      var a = column &* aStep
      var b = column &* bStep
      var d = rank &- 2
      while d >= 0 {
        let quotient = rest / counts[d]
        let i = rest &- quotient &* counts[d]
        a &+= i &* aStrides[d]
        b &+= i &* bStrides[d]
        rest = quotient
        d &-= 1
      }
      body(a, b, position, n)
      position &+= n
    }
  }
}

extension NodeContext {
  /// The shape of all inputs, or of every `step`th below `end`, broadcast together, NumPy's rules.
  @inline(never)
  func broadcastShape(every step: Int = 1, below end: Int = .max) throws(ApusError) -> Shape {
    var shape = input(0).shape
    var i = step
    while i < min(inputs.count, end) {
      let x = input(i).shape
      let rank = max(shape.rank, x.rank)
      var result = Shape(repeating: 1, rank: rank)
      for d in 1...max(1, rank) where d <= rank {
        let m = d <= shape.rank ? shape[last: d] : 1
        let n = d <= x.rank ? x[last: d] : 1
        try require(
          m == n || m == 1 || n == 1, "input \(i) is \(x), which cannot be broadcast with \(shape)")
        result[last: d] = m == 1 ? n : m
      }
      shape = result
      i += step
    }
    return shape
  }
}
