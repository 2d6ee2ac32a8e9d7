import Foundation

/// Runs with the class that each row of the network's first output should find.
public protocol LabelledSource: CalibrationSource {
  /// As many as the output has rows.
  func classes(run: Int) -> [Int32]
}

/// How good a classifier is on labelled data.
public struct Score: Encodable {
  public var accuracy: Double
  public var rows: Int
}

/// Measures classifiers on labelled data.
struct Evaluator {
  let source: any LabelledSource
  let threads: Int

  /// - Parameter what: What is measured, for the progress.
  func score(
    _ file: [UInt8], function: Int, progress: (Int, Int) -> Void
  ) throws -> Score {
    let runner = try GraphRunner(
      file, function: function, shapes: source.shapes, threads: threads, joinsNodes: true)
    var correct = 0
    var rows = 0
    for run in 0..<source.count {
      try runner.start(run, of: source)
      try runner.run()
      let (shape, elements) = runner.output(0)
      let classes = source.classes(run: run)
      guard let width = shape.last, width >= 2, elements.count == classes.count * width else {
        throw QuantizationError(
          "its first output is \(shape), and \(source.name(run: run)) has \(classes.count) "
            + "labels: a row of numbers for each label is needed, one for each class")
      }
      for (row, label) in classes.enumerated() {
        guard label >= 0, label < width else {
          throw QuantizationError(
            "\(source.name(run: run)) is of class \(label); the network knows 0 to \(width - 1)")
        }
        let scores = elements[(row * width)..<((row + 1) * width)]
        let best = scores.indices.max { scores[$0] < scores[$1] }! - row * width
        if best == Int(label) { correct += 1 }
      }
      rows += classes.count
      progress(run + 1, source.count)
    }
    guard rows > 0 else { throw QuantizationError("there are no labelled samples") }
    return Score(accuracy: Double(correct) / Double(rows), rows: rows)
  }
}
