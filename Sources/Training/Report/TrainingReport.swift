import Foundation

/// One run of training as a self-contained HTML page: curves, confusion matrix, facts, recipe.
public struct TrainingReport {
  public var title: String
  public var recipeFile: String
  public var recipeText: String
  public var history: [EpochResult]
  public var bestEpoch: Int?
  public var metrics: [Metric]
  /// How good the network is, and on which part of the data: "test" where a part was held out to the
  /// end, else "validation" or "training". With its confusion for classifiers.
  public var result: (part: String, evaluation: Evaluation)?
  public var classNames: [String]?
  public var parameters: Int
  public var seed: UInt64
  /// What is counted in a second: "samples", "characters".
  public var unit: String
  /// More facts, name and value.
  public var facts: [(String, String)]
  /// Drawings beside the curves.
  public var figures: [ReportFigure] = []

  public init(
    title: String, recipeFile: String, recipeText: String, history: [EpochResult], bestEpoch: Int?,
    metrics: [Metric], result: (part: String, evaluation: Evaluation)?, classNames: [String]?,
    parameters: Int, seed: UInt64, unit: String, facts: [(String, String)] = []
  ) {
    self.title = title
    self.recipeFile = recipeFile
    self.recipeText = recipeText
    self.history = history
    self.bestEpoch = bestEpoch
    self.metrics = metrics
    self.result = result
    self.classNames = classNames
    self.parameters = parameters
    self.seed = seed
    self.unit = unit
    self.facts = facts
  }

  /// The page.
  public func html() -> String {
    var body = "<header><h1>\(escape(title))</h1><p>\(subtitle)</p></header>"
    body += "<section class=\"tiles\">\(tiles.joined())</section>"
    body += "<section class=\"charts\">"
    for chart in charts {
      body +=
        "<div class=\"card\"><div class=\"cardhead\"><h2>\(escape(chart.title))</h2>"
        + "<div class=\"legend\">\(chart.legend)</div></div>\(chart.svg)</div>"
    }
    for figure in figures {
      body += "<div class=\"card\"><h2>\(escape(figure.title))</h2>\(figure.svg)</div>"
    }
    body += "</section>"
    if let result, let confusion = result.evaluation.confusion, let classNames,
      confusion.count == classNames.count
    {
      let matrix = ConfusionMatrix(counts: confusion, names: classNames)
      body +=
        "<section class=\"columns\"><div class=\"card\"><h2>Confusion on the \(escape(result.part)) part</h2>"
        + "<div class=\"scroll\">\(matrix.svg)</div></div>"
        + "<div class=\"card\"><h2>Classes</h2>\(matrix.table)</div></section>"
    }
    body += "<section class=\"columns\"><div class=\"card\"><h2>Run</h2>\(factsTable)</div>"
    body +=
      "<div class=\"card\"><h2>Recipe</h2><pre>\(escape(recipeText))</pre></div></section>"
    return """
      <!doctype html>
      <html lang="en">
      <head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
      <title>\(escape(title)) – training</title>
      <style>
      \(ReportStyle.css)
      </style></head>
      <body><main>\(body)</main></body>
      </html>

      """
  }

  private var subtitle: String {
    "\(history.count) epochs of <b>\(escape(recipeFile))</b>, seed \(seed)"
  }

  private var seconds: Double { history.reduce(0) { $0 + $1.seconds } }

  private var rate: Double {
    seconds > 0 ? history.reduce(0) { $0 + $1.training.count } / seconds : 0
  }

  private var tiles: [String] {
    func tile(_ name: String, _ value: String, _ note: String = "") -> String {
      "<div class=\"tile\"><span>\(escape(name))</span><strong>\(escape(value))</strong>"
        + (note.isEmpty ? "" : "<small>\(escape(note))</small>") + "</div>"
    }
    var tiles: [String] = []
    let best = bestEpoch.flatMap { history.indices.contains($0) ? history[$0] : nil } ?? history.last
    let (part, shown) =
      result ?? best?.validation.map { ("validation", $0) } ?? best.map { ("training", $0.training) }
      ?? ("training", Evaluation())
    for measure in shown.measures {
      tiles.append(tile("\(part) \(measure.name)", measure.valueText))
    }
    for metric in metrics {
      if let value = metric.value(shown) {
        tiles.append(tile("\(part) \(metric.rawValue)", metric.format(value), hits(shown)))
      }
    }
    tiles.append(tile("\(part) loss", String(format: "%.4g", shown.loss)))
    if let bestEpoch {
      tiles.append(tile("best epoch", "\(bestEpoch + 1)", "of \(history.count)"))
    }
    tiles.append(tile("parameters", ProgressDisplay.grouped(parameters)))
    tiles.append(tile("time", ProgressDisplay.duration(seconds)))
    tiles.append(tile("\(unit) a second", ProgressDisplay.grouped(Int(rate.rounded()))))
    return tiles
  }

  private func hits(_ e: Evaluation) -> String {
    guard let accuracy = e.accuracy else { return "" }
    return "\(Int((accuracy * e.count).rounded())) of \(ProgressDisplay.grouped(Int(e.count)))"
  }

  private var charts: [LineChart] {
    func curves(_ title: String, _ value: @escaping (Evaluation) -> Double?, _ format: @escaping (Double) -> String)
      -> LineChart
    {
      var series = [
        LineChart.Series(name: "training", style: "training", values: history.map { value($0.training) })
      ]
      if history.contains(where: { $0.validation != nil }) {
        series.append(
          LineChart.Series(
            name: "validation", style: "validation", values: history.map { $0.validation.flatMap(value) }))
      }
      return LineChart(title: title, series: series, bestEpoch: bestEpoch, format: format)
    }
    var result = [curves("Loss", { $0.loss }, { String(format: "%.3g", $0) })]
    for metric in metrics where history.contains(where: { metric.value($0.training) != nil }) {
      let name = metric.rawValue.prefix(1).uppercased() + metric.rawValue.dropFirst()
      // The figures on the axis need fewer digits than those of a result.
      let isShare = metric == .accuracy || metric == .error
      result.append(
        curves(name, metric.value, { isShare ? String(format: "%.4g %%", 100 * $0) : String(format: "%.3g", $0) }))
    }
    result.append(
      LineChart(
        title: "Learning rate",
        series: [
          LineChart.Series(name: "learning rate", style: "rate", values: history.map { Double($0.learningRate) })
        ], bestEpoch: nil, format: { String(format: "%.3g", $0) }))
    if history.contains(where: { $0.gradientNorm != nil }) {
      result.append(
        LineChart(
          title: "Largest gradient norm, before clipping",
          series: [LineChart.Series(name: "norm", style: "norm", values: history.map(\.gradientNorm))],
          bestEpoch: nil, format: { String(format: "%.3g", $0) }))
    }
    return result
  }

  private var factsTable: String {
    let all =
      [
        ("Recipe", recipeFile), ("Seed", "\(seed)"), ("Epochs", "\(history.count)"),
        ("Time", ProgressDisplay.duration(seconds)),
        ("Speed", "\(ProgressDisplay.grouped(Int(rate.rounded()))) \(unit)/s"),
        ("Parameters", ProgressDisplay.grouped(parameters)),
      ] + facts
    let rows = all.map { "<tr><td class=\"dim\">\(escape($0))</td><td>\(escape($1))</td></tr>" }
    return "<table><tbody>\(rows.joined())</tbody></table>"
  }
}
