/// How often values fell into each of 2,048 parts of a range. Zeros are counted apart: every scale
/// holds them exactly.
struct Histogram {
  static let binCount = 2048

  let lower: Float
  let upper: Float
  private(set) var bins = [Int](repeating: 0, count: Histogram.binCount)
  private(set) var zeros = 0

  /// - Precondition: lower < upper, both finite.
  init(_ lower: Float, _ upper: Float) {
    precondition(lower < upper)
    self.lower = lower
    self.upper = upper
  }

  var total: Int { bins.reduce(zeros, +) }

  var width: Double { (Double(upper) - Double(lower)) / Double(Histogram.binCount) }

  func lowerEdge(_ bin: Int) -> Double { Double(lower) + width * Double(bin) }

  func centre(_ bin: Int) -> Double { Double(lower) + width * (Double(bin) + 0.5) }

  mutating func add(_ x: UnsafePointer<Float>, _ count: Int) {
    let factor = Float(1 / width)
    let (lower, last) = (lower, Histogram.binCount - 1)
    var zeros = 0
    bins.withUnsafeMutableBufferPointer { bins in
      for i in 0..<count {
        let v = x[i]
        if v == 0 {
          zeros += 1
          continue
        }
        let position = (v - lower) * factor
        // What is no number has been found by then.
        bins[position >= 0 ? min(Int(min(position, 4096)), last) : 0] += 1
      }
    }
    self.zeros += zeros
  }

  /// The part of the values that a range does not hold; one that it cuts through counts in part.
  func share(outside range: (lower: Float, upper: Float)) -> Double {
    var count = 0.0
    for (i, n) in bins.enumerated() where n > 0 {
      let (a, b) = (lowerEdge(i), lowerEdge(i + 1))
      let inside = max(0, min(b, Double(range.upper)) - max(a, Double(range.lower)))
      count += Double(n) * (1 - min(1, inside / (b - a)))
    }
    let total = total
    // Edges are rounded: a billionth of a bin is none.
    return total == 0 || count < 1e-6 * Double(total) / Double(Histogram.binCount)
      ? 0 : count / Double(total)
  }
}
