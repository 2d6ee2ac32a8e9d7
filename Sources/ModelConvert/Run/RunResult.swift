import Runtime

/// What `run` says.
struct RunResult: Encodable {
  struct Output: Encodable {
    var name: String
    var dtype: String
    var shape: [Int]
    /// Of the finite elements; missing where there are none.
    var min: Double?
    var max: Double?
    var mean: Double?
    /// Elements that are infinite or no number.
    var nonFinite: Int
    var file: String
    /// For a classifier: the best five classes of each row.
    var predictions: [Prediction]?
  }

  var model: String
  var function: String
  var isa: String
  var threads: Int
  var steps: Int?
  var arenaBytes: Int
  var outputs: [Output]

  init(
    _ opened: OpenedModel, _ plan: Plan, _ runOutputs: [RunOutput], _ paths: [String], steps: Int?
  ) {
    model = opened.path
    function = opened.functionNames[plan.functionIndex]
    isa = opened.model.instructionSet.name.description
    threads = plan.threads
    self.steps = steps
    arenaBytes = plan.arenaSize
    let labels = Labels(opened)
    outputs = zip(runOutputs, paths).map { output, path in
      let values = output.values
      let range = ValueRange(values)
      var predictions: [Prediction]?
      if let labels, output.dataType == .float32, labels.fit(output.shape) {
        let n = labels.names.count
        predictions = (0..<(values.count / n)).map { row in
          Prediction(row: row, top: labels.top(5, values[(row * n)..<((row + 1) * n)]))
        }
      }
      return Output(
        name: output.name, dtype: output.dataType.name.description, shape: output.shape,
        min: finite(range.min), max: finite(range.max), mean: finite(range.mean),
        nonFinite: range.nonFinite, file: path, predictions: predictions)
    }
  }

  /// Rows that people are shown; JSON has them all.
  private static let rowsShown = 20

  func print() {
    var table = Table([
      ("output", .left), ("type", .left), ("shape", .left), ("min", .right), ("max", .right),
      ("mean", .right), ("file", .left),
    ])
    for o in outputs {
      table.append(
        printable(o.name), o.dtype, shapeText(o.shape), o.min.map(valueText) ?? "",
        o.max.map(valueText) ?? "", o.mean.map(valueText) ?? "", printable(o.file))
    }
    table.print()
    for o in outputs where o.nonFinite > 0 {
      Swift.print("  \(printable(o.name)): \(o.nonFinite) elements are infinite or no number")
    }
    for o in outputs { printPredictions(o) }
  }

  private func printPredictions(_ output: Output) {
    guard let predictions = output.predictions, !predictions.isEmpty else { return }
    Swift.print("\nclasses by \(printable(output.name))")
    var table = Table(
      [("row", .right)] + (1...predictions[0].top.count).map { (String($0), .left) })
    for p in predictions.prefix(RunResult.rowsShown) {
      table.append(
        [String(p.row)] + p.top.map { "\(printable($0.label)) (\(fixed($0.value)))" })
    }
    table.print()
    if predictions.count > RunResult.rowsShown {
      Swift.print("  and \(predictions.count - RunResult.rowsShown) rows more (--json has them all)")
    }
  }

  private func fixed(_ value: Double) -> String { decimals(value, 4) }
}
