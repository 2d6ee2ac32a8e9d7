import ModelFormat

/// A reduction over some of a tensor's axes in its simplest form. Axes of 1 are gone, neighbours of
/// the same kind are one, so that kept and reduced axes take turns. The innermost ones make up what
/// a kernel does in one call:
///
///     last axis reduced:  [… kept and reduced …][length]          a row into an element
///     last axis kept:     [… kept and reduced …][rows][columns]   rows into one row
struct ReductionLayout {
  /// The axes that remain outside, with the elements from one index to the next.
  private(set) var keptRank = 0
  private(set) var keptCounts = InlineArray<8, Int>(repeating: 1)
  private(set) var keptStrides = InlineArray<8, Int>(repeating: 0)
  private(set) var reducedRank = 0
  private(set) var reducedCounts = InlineArray<8, Int>(repeating: 1)
  private(set) var reducedStrides = InlineArray<8, Int>(repeating: 0)
  /// Runs that are reduced into one output element or row of elements.
  private(set) var runs = 1
  /// Elements of the output, and of the input for each of them.
  let outputCount: Int
  let reducedCount: Int
  /// 0 where the last axis is reduced.
  private(set) var columns = 0
  private(set) var rows = 1
  private(set) var length = 1

  /// - Parameter mask: bit d is set where axis d is reduced.
  init(_ shape: Shape, mask: UInt) {
    var kept = 1
    var reduced = 1
    // From the innermost axis outwards.
    var counts = InlineArray<8, Int>(repeating: 1)
    var isReduced = InlineArray<8, Bool>(repeating: false)
    var rank = 0
    var d = shape.rank - 1
    while d >= 0 {
      let flag = mask >> UInt(d) & 1 == 1
      if flag { reduced *= shape[d] } else { kept *= shape[d] }
      if shape[d] != 1 {
        if rank > 0, isReduced[rank - 1] == flag {
          counts[rank - 1] *= shape[d]
        } else {
          counts[rank] = shape[d]
          isReduced[rank] = flag
          rank += 1
        }
      }
      d -= 1
    }
    outputCount = kept
    reducedCount = reduced
    if kept == 0 || reduced == 0 { return }

    var next = 0
    var stride = 1
    if rank > 0, isReduced[0] {
      length = counts[0]
      stride = length
      next = 1
    } else {
      columns = rank > 0 ? counts[0] : 1
      stride = columns
      next = min(1, rank)
      if rank > 1 {
        rows = counts[1]
        stride *= rows
        next = 2
      }
    }
    while next < rank {
      if isReduced[next] {
        reducedCounts[reducedRank] = counts[next]
        reducedStrides[reducedRank] = stride
        runs *= counts[next]
        reducedRank += 1
      } else {
        keptCounts[keptRank] = counts[next]
        keptStrides[keptRank] = stride
        keptRank += 1
      }
      stride *= counts[next]
      next += 1
    }
  }

  /// Where the input of output block `index` starts.
  @inline(__always) func keptOffset(_ index: Int) -> Int {
    offset(index, keptRank, keptCounts, keptStrides)
  }

  /// How far run `index` of a block is from its first.
  @inline(__always) func reducedOffset(_ index: Int) -> Int {
    offset(index, reducedRank, reducedCounts, reducedStrides)
  }

  @inline(__always)
  private func offset(
    _ index: Int, _ rank: Int, _ counts: InlineArray<8, Int>, _ strides: InlineArray<8, Int>
  ) -> Int {
    var rest = index
    var result = 0
    var d = 0
    while d < rank {
      let quotient = rest / counts[d]
      result &+= (rest &- quotient &* counts[d]) &* strides[d]
      rest = quotient
      d &+= 1
    }
    return result
  }
}
