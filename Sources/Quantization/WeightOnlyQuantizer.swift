import Graph
import ModelFormat

/// Makes a model's file small and leaves its arithmetic as it is: weights become int8 with a scale for
/// each output channel, and are computed with in float32.
public struct WeightOnlyQuantizer {
  public let file: [UInt8]
  public let report: QuantizationReport
  private let floatFile: FloatModel
  private let function: Int

  /// - Parameters:
  ///   - graph: The float network; it is changed.
  ///   - function: The number of the function that accuracy is measured of; weights of all functions
  ///     are stored.
  public init(_ graph: Graph, function: Int, floatBytes: Int) throws {
    try Quantizer.check(graph)
    floatFile = try FloatModel(graph, function: function)
    self.function = function
    let store = WeightStore()
    var layers: [QuantizationReport.Layer] = []
    for node in graph.functions.flatMap(\.nodes) {
      guard let rule = node.rule else { continue }
      try node.checkWeights(rule)
      let scales = store.store(node, rule)
      guard let least = scales.min(), let most = scales.max() else { continue }
      layers.append(
        QuantizationReport.Layer(
          name: node.title, operator: node.op, isInteger: false,
          reason: "its weights are int8, it computes in float32", weightScales: [least, most]))
    }
    guard !layers.isEmpty else { throw QuantizationError("it has no weights that are worth storing") }
    graph.setMetadata("apus.quantization", "int8 weights")
    file = try graph.encode()
    report = QuantizationReport(
      samples: 0, layers: layers, floatBytes: floatBytes, int8Bytes: file.count, warnings: [])
  }

  /// The accuracy before and after.
  public func accuracy(on labelled: any LabelledSource, threads: Int) throws -> AccuracyReport {
    let evaluator = Evaluator(source: labelled, threads: threads)
    let real = try evaluator.score(floatFile.bytes, function: function) { _, _ in }
    let small = try evaluator.score(file, function: function) { _, _ in }
    return AccuracyReport(
      floatAccuracy: real.accuracy, rows: real.rows,
      trades: [
        Trade(floatLayers: [], accuracy: small.accuracy, bytes: file.count, floatMacs: 1, macs: 1)
      ])
  }
}

extension Node {
  /// Its own name, or its first output's.
  var title: String {
    if !name.isEmpty { return name }
    return outputs.lazy.compactMap { $0?.name }.first { !$0.isEmpty } ?? op
  }

  /// - Throws: where a weight holds what is no number.
  func checkWeights(_ rule: OperatorRule) throws {
    for (k, _) in rule.weights {
      guard let weight = input(k), weight.hasRealFloats,
        let bad = weight.realFloats.first(where: { !$0.isFinite })
      else { continue }
      throw QuantizationError(
        "node \(displayName): its weight '\(weight.name)' holds \(bad.isNaN ? "NaN" : "\(bad)")")
    }
  }
}
