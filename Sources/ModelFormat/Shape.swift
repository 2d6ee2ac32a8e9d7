/// A tensor's dimensions, at most eight, outermost first. −1 stands for a dimension that is still
/// free.
public struct Shape {
  public static var maximumRank: Int { 8 }
  /// Elements that a tensor may have: sizes up to here times any element size fit in Int.
  public static var maximumCount: Int { 1 << 48 }

  public private(set) var rank: Int
  private var dimensions: InlineArray<8, Int>

  /// A scalar's shape: rank 0, one element.
  public init() {
    rank = 0
    dimensions = InlineArray(repeating: 1)
  }

  public init(_ d0: Int) {
    self.init()
    append(d0)
  }
  public init(_ d0: Int, _ d1: Int) {
    self.init(d0)
    append(d1)
  }
  public init(_ d0: Int, _ d1: Int, _ d2: Int) {
    self.init(d0, d1)
    append(d2)
  }
  public init(_ d0: Int, _ d1: Int, _ d2: Int, _ d3: Int) {
    self.init(d0, d1, d2)
    append(d3)
  }
  public init(_ dimensions: [Int]) {
    self.init()
    for d in dimensions { append(d) }
  }
  public init(repeating value: Int, rank: Int) {
    self.init()
    for _ in 0..<rank { append(value) }
  }

  public subscript(_ i: Int) -> Int {
    get { dimensions[i] }
    set { dimensions[i] = newValue }
  }

  /// The dimension at `i`, counted from the end where negative: `shape[last: 1]` is the innermost.
  public subscript(last i: Int) -> Int {
    get { dimensions[rank - i] }
    set { dimensions[rank - i] = newValue }
  }

  public mutating func append(_ dimension: Int) {
    precondition(rank < Shape.maximumRank)
    dimensions[rank] = dimension
    rank += 1
  }

  public var isFixed: Bool {
    var i = 0
    while i < rank {
      if dimensions[i] < 0 { return false }
      i += 1
    }
    return true
  }

  /// The number of elements; nil where a dimension is free or the product exceeds `maximumCount`.
  public var checkedCount: Int? {
    var n = 1
    var i = 0
    var zero = false
    while i < rank {
      let d = dimensions[i]
      if d < 0 { return nil }
      if d == 0 {
        zero = true
      } else {
        let (product, overflow) = n.multipliedReportingOverflow(by: d)
        if overflow || product > Shape.maximumCount { return nil }
        n = product
      }
      i += 1
    }
    return zero ? 0 : n
  }

  /// The number of elements. Only for shapes that `checkedCount` has accepted.
  public var count: Int { product(0, rank) }

  /// The product of the dimensions in `from..<to`.
  public func product(_ from: Int, _ to: Int) -> Int {
    var n = 1
    var i = from
    while i < to {
      n *= dimensions[i]
      i += 1
    }
    return n
  }

  public static func == (a: Shape, b: Shape) -> Bool {
    guard a.rank == b.rank else { return false }
    var i = 0
    while i < a.rank {
      if a.dimensions[i] != b.dimensions[i] { return false }
      i += 1
    }
    return true
  }
}
