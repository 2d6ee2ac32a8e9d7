import Graph
import ModelFormat

/// Quantises a network: prepares it, calibrates it once, and builds int8 networks from that.
public final class Quantizer {
  /// As it came, to compare with.
  let original: FloatModel
  /// After the passes that come before calibration.
  let model: FloatModel
  let scheme: QuantizationScheme
  let options: QuantizationOptions
  let source: any CalibrationSource
  let nodes: [Node]
  let progress: (String, Int, Int) -> Void
  private let calibration: Calibration
  let tensors: [Value]
  /// The inputs and outputs that become integers, by their numbers.
  let ends: (inputs: [Int], outputs: [Int])
  private let floatBytes: Int

  /// - Parameters:
  ///   - graph: The float network; it is changed.
  ///   - function: The number of the function that is quantised.
  ///   - progress: Called with what is done, and how much of how much of it.
  public init(
    _ graph: Graph, function: Int, _ source: any CalibrationSource, _ options: QuantizationOptions,
    floatBytes: Int, progress: @escaping (String, Int, Int) -> Void = { _, _, _ in }
  ) throws {
    self.options = options
    self.floatBytes = floatBytes
    self.source = source
    self.progress = progress
    try Quantizer.check(graph)
    for node in graph.functions[function].nodes {
      if let rule = node.rule { try node.checkWeights(rule) }
    }
    original = try FloatModel(graph, function: function)
    for weight in graph.weights {
      weight.isTrainable = false
      widen(weight)
    }
    let name = graph.functions[function].name
    try graph.applyPassesBeforeRounding(equalizes: options.equalizes)
    model = try FloatModel(
      graph, function: graph.functions.firstIndex { $0.name == name } ?? function)
    scheme = try QuantizationScheme(model)
    let opened = try model.open()
    nodes = opened.graph.functions[model.function].nodes
    tensors = opened.tensors
    let calibrator = try Calibrator(model, scheme, source, options, progress: progress)
    ends = try Quantizer.ends(model, options)
    var choice = scheme.choose(keepingFloat: [])
    for t in ends.inputs + ends.outputs { choice.groups.insert(scheme.groups[t]) }
    calibration = try calibrator.run(choice)
  }

  /// A network that was trained for the scheme: nothing is left to be found out.
  ///
  /// - Parameter parameters: Of each group of the scheme.
  init(
    trained model: FloatModel, _ scheme: QuantizationScheme, _ parameters: [Int: LinearParameters],
    _ options: QuantizationOptions, floatBytes: Int
  ) throws {
    original = model
    self.model = model
    self.scheme = scheme
    self.options = options
    self.floatBytes = floatBytes
    source = NoSamples()
    progress = { _, _, _ in }
    let opened = try model.open()
    nodes = opened.graph.functions[model.function].nodes
    tensors = opened.tensors
    ends = ([], [])
    calibration = Calibration(
      groups: parameters.mapValues { Calibration.Group(parameters: $0, clipped: nil) }, means: [:],
      layerInputs: [:], warnings: [], multiplyAccumulates: [])
  }

  static func check(_ graph: Graph) throws {
    for function in graph.functions {
      for node in function.nodes
      where node.definition?.scales != nil || node.op.hasPrefix("DynamicQuantize")
        || node.op.hasSuffix("Integer")
      {
        throw QuantizationError(
          "it is quantised already: node \(node.displayName) works on integers; give the float32 "
            + "model that it was made of")
      }
    }
    if let weight = graph.weights.first(where: { $0.quantization != nil }) {
      throw QuantizationError(
        "it is quantised already: weight '\(weight.name)' is stored as \(weight.dataType.name); "
          + "give the float32 model that it was made of")
    }
  }

  /// Multiply-accumulates of each node.
  var macs: [Int] { calibration.multiplyAccumulates }

  /// The number of the node of that name; nil where there is none.
  public func node(named name: String) -> Int? {
    nodes.firstIndex { $0.title == name }
  }

  /// Builds the int8 network.
  ///
  /// - Parameter kept: Nodes that stay in floats, by their numbers.
  public func quantize(keepingFloat kept: Set<Int> = []) throws -> (
    file: [UInt8], report: QuantizationReport
  ) {
    let (file, report, function) = try build(keepingFloat: kept)
    return try withIntegerEnds(file, report, function: function)
  }

  /// The int8 network, and the number of its function.
  func build(keepingFloat kept: Set<Int>) throws -> (
    file: [UInt8], report: QuantizationReport, function: Int
  ) {
    let choice = scheme.choose(keepingFloat: kept)
    guard choice.isInteger.contains(true) || !choice.dynamic.isEmpty || !kept.isEmpty else {
      throw QuantizationError("it has no layer that can be computed in integers")
    }
    let built = try QuantizedGraph(model, scheme, choice, calibration, options)
    built.graph.setMetadata("apus.quantization", "int8")
    let file = try built.graph.encode()
    return (file, report(built, choice, kept, file.count), built.functionNumber)
  }

  private func report(
    _ built: QuantizedGraph, _ choice: QuantizationScheme.Choice, _ kept: Set<Int>, _ bytes: Int
  ) -> QuantizationReport {
    var layers: [QuantizationReport.Layer] = []
    for (i, node) in nodes.enumerated() {
      let treatment = node.rule?.treatment
      // What only moves or clips is no layer of its own.
      if treatment == .moves || treatment == .clips { continue }
      guard node.outputs.contains(where: { $0?.dataType == .float32 }) else { continue }
      let outputs = scheme.results(of: i)
      var layer = QuantizationReport.Layer(
        name: node.title, operator: node.op, isInteger: built.isInteger(node, outputs))
      if !layer.isInteger {
        layer.reason =
          kept.contains(i)
          ? "kept in floats"
          : scheme.obstacles[i]
            ?? Quantizer.reason(choice.isInteger[i] || choice.dynamic.contains(i))
      } else if let group = outputs.lazy.compactMap({ self.group($0) }).first {
        layer.scale = group.parameters.scale
        layer.zeroPoint = Int(group.parameters.zero)
        layer.clippedShare = group.clipped
      }
      if let scales = built.weightScales[i], layer.isInteger {
        layer.weightScales = [scales.min()!, scales.max()!]
      }
      layers.append(layer)
    }
    return QuantizationReport(
      samples: source.count, layers: layers, floatBytes: floatBytes, int8Bytes: bytes,
      warnings: calibration.warnings + built.warnings)
  }

  func group(_ tensor: Int) -> Calibration.Group? {
    calibration.groups[scheme.groups[tensor]]
  }

  private static func reason(_ wasChosen: Bool) -> String {
    wasChosen
      ? "the runtime has no integer operator for it" : "nothing beside it is computed in integers"
  }
}

/// A weight that is stored in 16 bits, as float32.
private func widen(_ weight: Value) {
  guard weight.hasRealFloats, weight.dataType != .float32 else { return }
  let numbers = weight.realFloats
  weight.dataType = .float32
  weight.floats = numbers
}

/// In place of calibration data where ranges are known.
private final class NoSamples: CalibrationSource {
  let count = 0
  let shapes: [(name: String, dimensions: [Int])] = []
  let carriesStates = false
  func name(run: Int) -> String { "" }
  func fill(input: Int, run: Int, to data: UnsafeMutableRawPointer) {}
}
