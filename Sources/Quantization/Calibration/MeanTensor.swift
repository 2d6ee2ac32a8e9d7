/// The mean of a tensor over all that came by.
struct MeanTensor {
  enum Kind {
    /// Over the first dimension, the batch.
    case ofItems
    /// Over all dimensions but the last.
    case ofRows
  }

  private let kind: Kind
  /// Of one item.
  private(set) var shape: [Int] = []
  private var sums: [Double] = []
  private var count = 0
  /// Items of more than one shape have no mean.
  private var isVoid = false

  init(_ kind: Kind) { self.kind = kind }

  var elements: [Float]? {
    isVoid || count == 0 ? nil : sums.map { Float($0 / Double(count)) }
  }

  mutating func add(_ x: UnsafePointer<Float>, _ whole: [Int]) {
    let item = kind == .ofItems ? Array(whole.dropFirst()) : Array(whole.suffix(1))
    let size = item.reduce(1, *)
    if count == 0 {
      shape = item
      sums = [Double](repeating: 0, count: size)
    }
    guard item == shape, size > 0 else {
      isVoid = true
      return
    }
    let items = whole.reduce(1, *) / size
    sums.withUnsafeMutableBufferPointer { sums in
      for i in 0..<items {
        let row = x + i * size
        for k in 0..<size { sums[k] += Double(row[k]) }
      }
    }
    count += items
  }
}
