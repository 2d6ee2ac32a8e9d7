/// What it costs to hold an accuracy: layers in floats, and what comes with them.
public struct Trade: Encodable {
  /// The layers that stay in floats, the most sensitive first.
  public var floatLayers: [String]
  public var accuracy: Double
  public var bytes: Int
  /// Multiply-accumulates that are computed in floats, and all, in one run.
  public var floatMacs: Int
  public var macs: Int
}

/// The accuracy of a quantised network, and how it was reached.
public struct AccuracyReport: Encodable {
  public var floatAccuracy: Double
  public var rows: Int
  /// From all layers in integers on; the last is what was written.
  public var trades: [Trade]
  /// Whether the wanted accuracy is held; missing where none was wanted.
  public var isReached: Bool?
}

extension Quantizer {
  /// Quantises, and keeps the most sensitive layers in floats until the network loses no more than
  /// `maximumDrop` of its accuracy.
  ///
  /// - Parameters:
  ///   - maximumDrop: 0.005 for half a point; nil: only measure.
  ///   - kept: Nodes that stay in floats in any case.
  public func quantize(
    keepingFloat kept: Set<Int> = [], measuredOn labelled: any LabelledSource,
    maximumDrop: Double?
  ) throws -> (file: [UInt8], report: QuantizationReport, accuracy: AccuracyReport) {
    let evaluator = Evaluator(source: labelled, threads: options.threads)
    let real = try evaluator.score(original.bytes, function: original.function) {
      progress("measuring the float network", $0, $1)
    }
    var accuracy = AccuracyReport(floatAccuracy: real.accuracy, rows: real.rows, trades: [])
    struct Attempt {
      let file: [UInt8]
      let report: QuantizationReport
      let function: Int
      let drop: Double
    }
    func attempt(_ extra: [Int]) throws -> Attempt {
      let all = kept.union(extra)
      let (file, report, function) = try build(keepingFloat: all)
      let score = try evaluator.score(file, function: function) {
        progress("measuring with \(extra.count) layers in floats", $0, $1)
      }
      accuracy.trades.append(
        Trade(
          floatLayers: extra.map { nodes[$0].title }, accuracy: score.accuracy,
          bytes: file.count, floatMacs: floatMacs(report), macs: macs.reduce(0, +)))
      return Attempt(
        file: file, report: report, function: function, drop: real.accuracy - score.accuracy)
    }
    // A row more or less is no difference.
    func isFine(_ drop: Double, _ most: Double) -> Bool { drop <= most + 1e-9 }
    func finished(
      _ attempt: Attempt
    ) throws -> (file: [UInt8], report: QuantizationReport, accuracy: AccuracyReport) {
      let (file, report) = try withIntegerEnds(
        attempt.file, attempt.report, function: attempt.function)
      accuracy.trades[accuracy.trades.count - 1].bytes = file.count
      return (file, report, accuracy)
    }
    var best = try attempt([])
    guard let maximumDrop, !isFine(best.drop, maximumDrop) else {
      accuracy.isReached = maximumDrop.map { _ in true }
      return try finished(best)
    }
    let order = try sensitivities(except: kept).map(\.node)
    let step = max(1, order.count / 24)
    for count in stride(from: step, to: order.count, by: step) {
      best = try attempt(Array(order.prefix(count)))
      if isFine(best.drop, maximumDrop) {
        accuracy.isReached = true
        return try finished(best)
      }
    }
    accuracy.isReached = false
    return try finished(best)
  }

  /// Layers that can stay in floats, those that disturb the outputs most first.
  private func sensitivities(except kept: Set<Int>) throws -> [Sensitivity] {
    let choice = scheme.choose(keepingFloat: kept)
    let layers = nodes.indices.filter {
      choice.dynamic.contains($0)
        || (choice.isInteger[$0] && nodes[$0].rule?.treatment == .layer)
    }
    let comparison = try OutputComparison(original, source, threads: options.threads)
    var result: [Sensitivity] = []
    for (i, node) in layers.enumerated() {
      let others = kept.union(layers).subtracting([node])
      let (file, _, function) = try build(keepingFloat: others)
      result.append(
        Sensitivity(node: node, error: try comparison.error(file, function: function)))
      progress("looking for sensitive layers", i + 1, layers.count)
    }
    return result.sorted { ($1.error, $0.node) < ($0.error, $1.node) }
  }

  private func floatMacs(_ report: QuantizationReport) -> Int {
    var integer: Set<String> = []
    for layer in report.integerLayers { integer.insert(layer.name) }
    return nodes.indices.reduce(0) {
      $0 + (integer.contains(nodes[$1].title) || nodes[$1].rule?.treatment == .moves ? 0 : macs[$1])
    }
  }
}
