import Foundation

/// S. Migacz, "8-bit inference with TensorRT", GTC 2017: of all thresholds on the magnitude, the
/// one where the quantised distribution has the smallest Kullback-Leibler divergence from the real
/// one, whose last bin holds what is clipped.
///
/// Zeros are left out: they are exact under every threshold.
enum EntropyObserver {
  static func range(of histogram: Histogram) -> (lower: Float, upper: Float) {
    let largest = Double(max(abs(histogram.lower), abs(histogram.upper)))
    let count = Int((largest / histogram.width).rounded(.up))
    var bins = [Double](repeating: 0, count: count)
    for (i, n) in histogram.bins.enumerated() where n > 0 {
      bins[min(Int(abs(histogram.centre(i)) / histogram.width), count - 1)] += Double(n)
    }
    // Integers for magnitudes: 128 where both signs occur alike, 256 where one does.
    let span = Double(histogram.upper) - Double(histogram.lower)
    let levels = min(256, Int((256 * largest / span).rounded()))
    let threshold = Double(best(bins, levels: levels)) * histogram.width
    return (
      max(histogram.lower, Float(-threshold)), min(histogram.upper, Float(threshold))
    )
  }

  /// How many bins to keep.
  private static func best(_ bins: [Double], levels: Int) -> Int {
    guard bins.count > levels else { return bins.count }
    var sums = [0.0]
    for n in bins { sums.append(sums.last! + n) }
    let total = sums.last!
    var best = bins.count
    var smallest = Double.infinity
    for kept in levels...bins.count {
      // A threshold that keeps less than half is none to consider.
      if sums[kept] < total / 2 { continue }
      let divergence = divergence(bins, kept, outside: total - sums[kept], levels)
      // Of equal ones the widest: it clips the least.
      if divergence <= smallest {
        smallest = divergence
        best = kept
      }
    }
    return best
  }

  private static func divergence(
    _ bins: [Double], _ kept: Int, outside: Double, _ levels: Int
  ) -> Double {
    var inside = 0.0
    for i in 0..<kept { inside += bins[i] }
    guard inside > 0 else { return .infinity }
    let all = inside + outside
    var sum = 0.0
    for level in 0..<levels {
      let (first, end) = (level * kept / levels, (level + 1) * kept / levels)
      var count = 0.0
      var filled = 0.0
      for i in first..<end {
        count += bins[i]
        if bins[i] > 0 { filled += 1 }
      }
      if filled == 0 { continue }
      let q = count / filled / inside
      for i in first..<end where bins[i] > 0 {
        let p = (bins[i] + (i == kept - 1 ? outside : 0)) / all
        sum += p * log(p / q)
      }
    }
    // What is clipped has nothing to stand for it where the last bin is empty.
    if outside > 0, bins[kept - 1] == 0 {
      let p = outside / all
      sum += p * log(p / 1e-4)
    }
    return sum
  }
}
