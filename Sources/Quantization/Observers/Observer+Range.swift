extension Observer {
  /// Whether the range depends on more than the smallest and the largest value.
  var needsHistogram: Bool { self != .minMax }

  /// The range that shall be quantised; what is outside is clipped.
  func range(of histogram: Histogram, _ type: ActivationType) -> (lower: Float, upper: Float) {
    switch self {
    case .minMax: (histogram.lower, histogram.upper)
    case .percentile(let share): PercentileObserver.range(of: histogram, share: share / 100)
    case .entropy: EntropyObserver.range(of: histogram)
    case .meanSquares: MeanSquaresObserver.range(of: histogram, type)
    }
  }
}
