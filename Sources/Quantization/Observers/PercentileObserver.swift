/// The middle part of the values: half of what is cut off lies at each end.
enum PercentileObserver {
  static func range(of histogram: Histogram, share: Double) -> (lower: Float, upper: Float) {
    let cut = (1 - share) / 2 * Double(histogram.total)
    let bins = Array(histogram.bins.indices)
    return (
      Float(quantile(histogram, bins, cut, from: { histogram.lowerEdge($0) }, step: 1)),
      Float(
        quantile(histogram, bins.reversed(), cut, from: { histogram.lowerEdge($0 + 1) }, step: -1))
    )
  }

  /// Where `cut` values have been passed, linear inside of a bin; zeros stand at 0.
  private static func quantile(
    _ histogram: Histogram, _ order: [Int], _ cut: Double, from edge: (Int) -> Double, step: Double
  ) -> Double {
    var passed = 0.0
    var hasPassedZeros = false
    for bin in order {
      let start = edge(bin)
      let end = start + step * histogram.width
      if !hasPassedZeros, start * step <= 0, end * step >= 0 {
        hasPassedZeros = true
        passed += Double(histogram.zeros)
        if passed > cut { return start * step > 0 ? start : 0 }
      }
      let n = Double(histogram.bins[bin])
      if passed + n > cut { return start + step * histogram.width * max(0, cut - passed) / n }
      passed += n
    }
    return 0
  }
}
