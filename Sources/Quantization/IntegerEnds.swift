import Graph
import ModelFormat

/// Makes the float inputs and outputs of a quantised network the integers that they are quantised
/// as.
struct IntegerEnds {
  /// What an input or an output has become.
  struct End {
    /// Its position.
    let number: Int
    let parameters: LinearParameters
  }

  let inputs: [End]
  let outputs: [End]

  /// The graph's passes can then take away what quantises at the entry and dequantises at the exit.
  func apply(to graph: Graph, _ function: Function) throws {
    for end in inputs { read(function, end) }
    for end in outputs { write(function, end) }
    try graph.apply()
    graph.describeIntegerEnds()
  }

  private func read(_ function: Function, _ end: End) {
    let x = function.inputs[end.number]
    let q = Value(x.name, end.parameters.type.dataType, x.shape)
    function.inputs[end.number] = q
    // What is handed out as it came stays a float there.
    if !function.isResult(x) { x.name += ".real" }
    let (scale, zero) = end.parameters.values(named: q.name)
    function.nodes.insert(
      Node(
        "DequantizeLinear", name: q.name + ".dequantize", inputs: [q, scale, zero], outputs: [x]),
      at: 0)
  }

  private func write(_ function: Function, _ end: End) {
    let y = function.outputs[end.number]
    let q = Value(y.name, end.parameters.type.dataType, y.shape)
    q.bound = y.bound
    function.outputs[end.number] = q
    if !function.inputs.contains(where: { $0 === y }) { y.name += ".real" }
    let (scale, zero) = end.parameters.values(named: q.name)
    function.nodes.append(
      Node("QuantizeLinear", name: q.name + ".quantize", inputs: [y, scale, zero], outputs: [q]))
  }
}

extension LinearParameters {
  /// The scale and the zero point as constants.
  func values(named name: String) -> (scale: Value, zero: Value) {
    (
      Value(name + ".scale", [], floats: [scale]),
      Value(
        name + ".zero_point", type.dataType, [], kind: .weight,
        bytes: [UInt8(truncatingIfNeeded: zero)])
    )
  }
}

extension Quantizer {
  /// The float inputs and outputs, by their numbers among the model's tensors, that shall be
  /// integers.
  static func ends(
    _ model: FloatModel, _ options: QuantizationOptions
  ) throws -> (inputs: [Int], outputs: [Int]) {
    let (graph, tensors) = try model.open()
    let function = graph.functions[model.function]
    let numbers = tensors.numbers
    func chosen(
      _ values: [Value], _ type: ActivationType?, _ what: String
    ) throws -> [Int] {
      guard let type else { return [] }
      let floats = values.filter { $0.dataType == .float32 && $0.kind == .activation }
      guard !floats.isEmpty else {
        throw QuantizationError("it has no float32 \(what) to make \(type.rawValue)")
      }
      return floats.map { numbers[ObjectIdentifier($0)]! }
    }
    return (
      try chosen(function.inputs, options.inputs, "input"),
      try chosen(function.outputs, options.outputs, "output")
    )
  }

  /// Makes the ends of a quantised network integers, where they are wanted to be.
  func withIntegerEnds(
    _ file: [UInt8], _ report: QuantizationReport, function number: Int
  ) throws -> (file: [UInt8], report: QuantizationReport) {
    guard options.inputs != nil || options.outputs != nil else { return (file, report) }
    let graph = try Graph(decoding: file)
    for weight in graph.weights { weight.isTrainable = false }
    try graph.inferShapes()
    let function = graph.functions[number]
    var report = report
    func made(
      _ values: [Value], _ type: ActivationType?, _ wanted: [Int]
    ) throws -> ([IntegerEnds.End], [QuantizationReport.End]) {
      guard let type else { return ([], []) }
      var ends: [IntegerEnds.End] = []
      var reported: [QuantizationReport.End] = []
      for t in wanted {
        let name = tensors[t].name
        guard let i = values.firstIndex(where: { $0.name == name }),
          let parameters = group(t)?.parameters.retyped(type)
        else { throw QuantizationError("calibration says nothing of tensor '\(name)'") }
        ends.append(IntegerEnds.End(number: i, parameters: parameters))
        reported.append(
          QuantizationReport.End(
            name: name, type: type.rawValue, scale: parameters.scale,
            zeroPoint: Int(parameters.zero)))
      }
      return (ends, reported)
    }
    let (inputs, shownInputs) = try made(function.inputs, options.inputs, ends.inputs)
    let (outputs, shownOutputs) = try made(function.outputs, options.outputs, ends.outputs)
    try IntegerEnds(inputs: inputs, outputs: outputs).apply(to: graph, function)
    let result = try graph.encode()
    report.inputs = shownInputs
    report.outputs = shownOutputs
    report.int8Bytes = result.count
    return (result, report)
  }
}
