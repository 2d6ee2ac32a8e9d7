import Graph
import ModelFormat

/// Makes a model's file small and leaves its arithmetic as it is: weights become int8 with a scale
/// for each output channel, or float16, and are computed with in float32.
public struct WeightOnlyQuantizer {
  /// What weights are stored as.
  public enum Storage { case int8, float16 }

  public let file: [UInt8]
  public let report: QuantizationReport
  private let floatFile: FloatModel
  private let function: Int

  /// - Parameters:
  ///   - graph: The float network; it is changed.
  ///   - function: The number of the function that accuracy is measured of; weights of all
  ///     functions are stored.
  public init(_ graph: Graph, function: Int, floatBytes: Int, storage: Storage) throws {
    try Quantizer.check(graph)
    floatFile = try FloatModel(graph, function: function)
    self.function = function
    let (layers, warnings) =
      switch storage {
      case .int8: (try WeightOnlyQuantizer.storeIntegers(graph), [String]())
      case .float16: try WeightOnlyQuantizer.storeHalves(graph)
      }
    guard !layers.isEmpty else {
      let smallest = WeightOnlyQuantizer.smallestHalf
      throw QuantizationError(
        storage == .float16
          ? "it has no float32 weight of \(smallest) numbers or more"
          : "it has no layer whose weights become smaller as int8 with a scale for each channel")
    }
    graph.setMetadata("apus.quantization", "\(storage) weights")
    file = try graph.encode()
    report = QuantizationReport(
      samples: 0, layers: layers, floatBytes: floatBytes, int8Bytes: file.count, warnings: warnings)
  }

  private static func storeIntegers(_ graph: Graph) throws -> [QuantizationReport.Layer] {
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
    return layers
  }

  /// Smaller weights stay as they are: they save nothing.
  private static let smallestHalf = 64

  /// Every weight, whichever operator reads it, to nearest with halves to even.
  private static func storeHalves(
    _ graph: Graph
  ) throws -> ([QuantizationReport.Layer], [String]) {
    var stored: Set<ObjectIdentifier> = []
    var warnings: [String] = []
    for weight in graph.weights
    where weight.hasRealFloats && weight.dataType == .float32
      && weight.count ?? 0 >= smallestHalf
    {
      let numbers = weight.floats
      let largest = numbers.reduce(0) { max($0, abs($1)) }
      guard numbers.allSatisfy({ $0.isNaN || $0.isInfinite || Float16($0).isFinite }) else {
        warnings.append(
          "weight '\(weight.name)' reaches \(largest), float16 65504: it stays in float32")
        continue
      }
      weight.dataType = .float16
      weight.bytes = numbers.map { Float16($0).bitPattern }.withUnsafeBytes { [UInt8]($0) }
      stored.insert(ObjectIdentifier(weight))
    }
    let layers = graph.functions.flatMap(\.nodes).filter { node in
      node.inputs.contains { $0.map { stored.contains(ObjectIdentifier($0)) } ?? false }
    }.map {
      QuantizationReport.Layer(
        name: $0.title, operator: $0.op, isInteger: false,
        reason: "its weights are float16, it computes in float32")
    }
    return (layers, warnings)
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
