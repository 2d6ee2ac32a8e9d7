/// The range under which quantised values are nearest to the real ones in the mean square.
enum MeanSquaresObserver {
  static func range(
    of histogram: Histogram, _ type: ActivationType
  ) -> (lower: Float, upper: Float) {
    let lower = min(histogram.lower, 0)
    let upper = max(histogram.upper, 0)
    var best = (lower: lower, upper: upper)
    var smallest = error(histogram, best, type)
    func attempt(_ range: (lower: Float, upper: Float)) {
      let error = error(histogram, range, type)
      if error < smallest {
        smallest = error
        best = range
      }
    }
    let shares = stride(from: Float(0.99), to: 0.05, by: -0.01)
    // Both ends together, then each alone.
    for share in shares { attempt((lower * share, upper * share)) }
    if lower < 0, upper > 0 {
      for _ in 0..<2 {
        let (a, b) = (best.lower, best.upper)
        for share in [1] + Array(shares) { attempt((a, upper * share)) }
        let c = best.upper
        for share in [1] + Array(shares) { attempt((lower * share, c)) }
        if best.lower == a && best.upper == b { break }
      }
    }
    return best
  }

  private static func error(
    _ histogram: Histogram, _ range: (lower: Float, upper: Float), _ type: ActivationType
  ) -> Double {
    let parameters = LinearParameters(range, type)
    let scale = Double(parameters.scale)
    let lower = parameters.smallest
    let upper = parameters.largest
    var sum = 0.0
    let width = histogram.width
    for (i, n) in histogram.bins.enumerated() where n > 0 {
      let x = histogram.centre(i)
      let q = (min(max(x, lower), upper) / scale).rounded(.toNearestOrEven) * scale
      // Values are spread over their bin.
      sum += Double(n) * ((x - q) * (x - q) + width * width / 12)
    }
    return sum
  }
}
