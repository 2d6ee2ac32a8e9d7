/// Reads a series of numbers, a column of a CSV file, to learn to forecast it: a sample is `window`
/// numbers in a row, its target the number that follows. Samples are in the order of time.
public struct SeriesReader {
  public var column: CSVReader.Column
  /// Numbers that the network sees.
  public var window: Int
  /// What all numbers are multiplied with.
  public var scale: Float = 1

  public init(column: CSVReader.Column, window: Int) {
    self.column = column
    self.window = window
  }

  public func read(_ path: String) throws -> Samples {
    var reader = CSVReader(label: nil)
    reader.values = [column]
    reader.needsInputs = false
    guard case .values(let numbers, _) = try reader.read(path).targets else {
      throw DataError("\(path): there is no such column")
    }
    let count = numbers.count - window
    guard count > 0 else {
      throw DataError("\(path): \(numbers.count) numbers are too few for a window of \(window)")
    }
    let series = numbers.map { $0 * scale }
    return Samples(
      storage: .floats((0..<count).flatMap { series[$0..<$0 + window] }), shape: [window, 1],
      targets: .values(Array(series[window...]), shape: [1]), count: count)
  }

  /// The root of the mean squared error of who forecasts that nothing changes.
  static func persistence(_ samples: Samples, _ indices: [Int]) -> Measure? {
    guard case .floats(let inputs) = samples.storage, case .values(let targets, _) = samples.targets
    else { return nil }
    let window = samples.shape[0]
    let errors = indices.map { i in
      let e = Double(targets[i] - inputs[i * window + window - 1])
      return e * e
    }
    return Measure(
      "persistence rmse", (errors.reduce(0, +) / Double(max(errors.count, 1))).squareRoot(),
      isShare: false, isBetterWhenHigher: false)
  }
}
