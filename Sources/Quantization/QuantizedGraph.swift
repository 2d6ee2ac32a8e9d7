import Graph
import ModelFormat

/// Builds the quantised network: QuantizeLinear and DequantizeLinear around everything that shall
/// be computed in integers, which the graph's passes then make integer operators of.
final class QuantizedGraph {
  let graph: Graph
  private let function: Function
  private let tensors: [Value]
  private let numbers: [ObjectIdentifier: Int]
  private let scheme: QuantizationScheme
  private let choice: QuantizationScheme.Choice
  private let calibration: Calibration
  private let options: QuantizationOptions
  /// For each tensor that has become integers, these and the float tensor that they give.
  private var integers: [Int: (quantized: Value, real: Value)] = [:]
  private var parameters: [Int: (scale: Value, zero: Value)] = [:]
  private var constants: [Int: Value] = [:]
  /// What stands before the first node, and behind each.
  private var early: [Node] = []
  private var before: [Int: [Node]] = [:]
  private var behind: [Int: [Node]] = [:]
  private let weightStore = WeightStore()
  /// The weights' scales of each layer.
  private(set) var weightScales: [Int: [Float]] = [:]
  private(set) var warnings: [String] = []

  init(
    _ model: FloatModel, _ scheme: QuantizationScheme, _ choice: QuantizationScheme.Choice,
    _ calibration: Calibration, _ options: QuantizationOptions
  ) throws {
    (graph, tensors) = try model.open()
    function = graph.functions[model.function]
    numbers = tensors.numbers
    self.scheme = scheme
    self.choice = choice
    self.calibration = calibration
    self.options = options
    quantizeTensors()
    for i in function.nodes.indices { try rewrite(i) }
    quantizeRecurrent()
    put()
    try graph.apply()
    removeNeedlessPairs()
    try graph.apply()
    restoreNames()
  }

  // MARK: Tensors

  private func isQuantized(_ t: Int) -> Bool {
    choice.groups.contains(scheme.groups[t]) && !scheme.fused.contains(t)
      && tensors[t].logicalType == .float32 && calibration.groups[scheme.groups[t]] != nil
  }

  private func linear(_ t: Int) -> LinearParameters {
    calibration.groups[scheme.groups[t]]!.parameters
  }

  private var byteType: DataType { options.activations.dataType }

  private func parameters(_ t: Int) -> (scale: Value, zero: Value) {
    let group = scheme.groups[t]
    if let known = parameters[group] { return known }
    let made = linear(t).values(named: tensors[t].name)
    parameters[group] = made
    return made
  }

  private func quantize(_ x: Value, _ t: Int, into q: Value) -> Node {
    let p = parameters(t)
    return Node(
      "QuantizeLinear", name: x.name + ".quantize", inputs: [x, p.scale, p.zero], outputs: [q])
  }

  private func dequantize(_ q: Value, _ t: Int, into x: Value) -> Node {
    let p = parameters(t)
    return Node(
      "DequantizeLinear", name: x.name + ".dequantize", inputs: [q, p.scale, p.zero], outputs: [x])
  }

  /// Gives each tensor of the chosen groups its integers, behind the node that writes it.
  private func quantizeTensors() {
    var producers: [Int: Int] = [:]
    for (i, node) in function.nodes.enumerated() {
      for case let output? in node.outputs { producers[numbers[ObjectIdentifier(output)]!] = i }
    }
    for t in tensors.indices where tensors[t].kind != .weight && isQuantized(t) {
      let x = tensors[t]
      let producer = producers[t]
      let isInteger = producer.map { choice.isInteger[$0] } ?? false
      // Tensors of other functions have neither a writer here nor a reader.
      guard producer != nil || x.kind == .state || function.inputs.contains(where: { $0 === x })
      else { continue }
      let q = Value(x.name + ".integers", byteType, x.shape)
      if isInteger, function.isResult(x), let producer {
        // The result is what the integers stand for.
        let written = Value(x.name + ".float", .float32, x.shape)
        let node = function.nodes[producer]
        for k in node.outputs.indices where node.outputs[k] === x { node.outputs[k] = written }
        behind[producer, default: []] += [quantize(written, t, into: q), dequantize(q, t, into: x)]
        integers[t] = (q, x)
        continue
      }
      let real = Value(x.name + ".dequantized", .float32, x.shape)
      let nodes = [quantize(x, t, into: q), dequantize(q, t, into: real)]
      if let producer { behind[producer, default: []] += nodes } else { early += nodes }
      integers[t] = (q, real)
      for (i, node) in function.nodes.enumerated() where isInteger || choice.isInteger[i] {
        for k in node.inputs.indices where node.inputs[k] === x { node.inputs[k] = real }
      }
    }
  }

  /// A constant among the tensors that a node works on.
  private func constant(_ t: Int) -> Value {
    if let known = constants[t] { return known }
    let value = tensors[t]
    let q = Value(
      value.name, byteType, value.shape, kind: .weight,
      bytes: linear(t).quantized(value.realFloats))
    let real = Value(value.name + ".dequantized", .float32, value.shape)
    early.append(dequantize(q, t, into: real))
    constants[t] = real
    return real
  }

  // MARK: Nodes

  private func rewrite(_ i: Int) throws {
    let node = function.nodes[i]
    guard choice.isInteger[i], let rule = node.rule else { return storeWeights(node) }
    for k in 0..<min(rule.dataInputs, node.inputs.count) {
      guard let x = node.inputs[k], x.kind == .weight, let t = numbers[ObjectIdentifier(x)],
        isQuantized(t)
      else { continue }
      node.inputs[k] = constant(t)
    }
    guard rule.treatment == .layer, let weight = node.input(1), weight.kind == .weight,
      let shape = weight.fixedShape, let x = number(ofReal: node.input(0))
    else { return }
    let axis = node.channelAxis(rule.weights[0].axis, of: weight)
    let ownAxis = QuantizedWeight.axis(node, rule, weight, options)
    let inputScale = linear(x).scale
    let channels = shape[axis]
    var bias = node.op == "MatMul" ? nil : node.input(2)?.realFloats
    if let b = bias, b.count == 1 { bias = [Float](repeating: b[0], count: channels) }
    if ownAxis == nil,
      let outlier = QuantizedWeight.outlier(weight.realFloats, shape: shape, axis: axis)
    {
      warnings.append(
        "weight '\(weight.name)': channel \(outlier.channel) reaches \(outlier.largest), the "
          + "others \(outlier.rest): with one scale for the tensor they become zero or nearly so; "
          + "per-channel scales keep them")
    }
    var quantized = QuantizedWeight(
      weight.realFloats, shape: shape, axis: ownAxis,
      bias: bias.map { ($0, inputScale) })
    if let inputs = calibration.layerInputs[i], quantized.count % inputs.depth == 0 {
      AdaptiveRounding.round(&quantized, inputs, isColumn: axis == 1)
    }
    weightScales[i] = quantized.scales
    if options.correctsBias, node.op != "MatMul", let mean = calibration.means[x],
      let shifts = try BiasCorrection.shifts(node, errors: quantized.errors, mean: mean)
    {
      bias = zip(bias ?? [Float](repeating: 0, count: channels), shifts).map { $0 + $1 }
    }
    replaceWeight(node, i, weight, quantized)
    if let bias { replaceBias(node, i, bias, quantized, inputScale) }
  }

  /// The tensor that a dequantised one stands for.
  private func number(ofReal value: Value?) -> Int? {
    guard let value else { return nil }
    return integers.first { $0.value.real === value }?.key
  }

  private func replaceWeight(
    _ node: Node, _ i: Int, _ weight: Value, _ quantized: QuantizedWeight
  ) {
    let real = Value(weight.name + ".dequantized", .float32, weight.shape)
    before[i, default: []].append(
      Node(
        "DequantizeLinear", name: weight.name + ".dequantize",
        inputs: [quantized.value(weight.name), quantized.scaleValue(weight.name + ".scale")],
        outputs: [real], attributes: quantized.axis.map { ["axis": .int($0)] } ?? [:]))
    node.inputs[1] = real
  }

  /// int32 in steps of the sums: input scale · weight scale.
  private func replaceBias(
    _ node: Node, _ i: Int, _ bias: [Float], _ weight: QuantizedWeight, _ inputScale: Float
  ) {
    let count = weight.scales.count
    let steps = bias.indices.map { inputScale * weight.scales[count == 1 ? 0 : $0] }
    let integers = zip(bias, steps).map {
      let q = (Double($0) / Double($1)).rounded(.toNearestOrEven)
      return Int32(min(max(q, -0x3FFF_FFFF), 0x3FFF_FFFF))
    }
    let name = node.input(2)?.name ?? (node.name.isEmpty ? "layer\(i)" : node.name) + ".bias"
    let q = Value(
      name, .int32, [.fixed(bias.count)], kind: .weight,
      bytes: integers.withUnsafeBytes { [UInt8]($0) })
    let real = Value(name + ".dequantized", .float32, [.fixed(bias.count)])
    before[i, default: []].append(
      Node(
        "DequantizeLinear", name: name + ".dequantize",
        inputs: [q, Value(name + ".scale", [bias.count], floats: steps)], outputs: [real],
        attributes: ["axis": 0]))
    while node.inputs.count < 3 { node.inputs.append(nil) }
    node.inputs[2] = real
  }

  // MARK: Recurrent layers

  private func quantizeRecurrent() {
    let chosen = choice.dynamic.sorted()
    // Those that stay in floats do not come along.
    let part = Function("chosen", nodes: chosen.map { function.nodes[$0] })
    Graph(functions: [part]).quantizeRecurrent()
    for (i, node) in zip(chosen, part.nodes) { function.nodes[i] = node }
  }

  // MARK: Weights alone

  /// Weights of layers that stay in floats, as int8 with a scale for each output channel.
  private func storeWeights(_ node: Node) {
    guard let rule = node.rule, [.storesWeights, .moves].contains(rule.treatment) else { return }
    weightStore.store(node, rule)
  }

  // MARK: Putting together

  private func put() {
    var nodes = early
    for (i, node) in function.nodes.enumerated() {
      nodes += before[i] ?? []
      nodes.append(node)
      nodes += behind[i] ?? []
    }
    function.nodes = nodes
  }

  /// What is quantised only to be dequantised again: both ends are in floats.
  private func removeNeedlessPairs() {
    for node in function.nodes where node.op == "QuantizeLinear" {
      guard let x = node.input(0), let q = node.outputs[0], !function.isResult(q) else { continue }
      let readers = function.consumers(of: q)
      guard readers.allSatisfy({ $0.op == "DequantizeLinear" }) else { continue }
      for reader in readers {
        guard let y = reader.outputs[0] else { continue }
        if !function.isResult(y) {
          function.replace(y, with: x)
        } else if let producer = function.producer(of: x), !function.isResult(x) {
          // The result keeps its identity: what wrote x writes it.
          for k in producer.outputs.indices where producer.outputs[k] === x {
            producer.outputs[k] = y
          }
          function.nodes.removeAll { $0 === reader }
          function.replace(x, with: y)
        }
      }
    }
    function.removeUnusedNodes()
  }

  /// Integers are called as the float tensor that they stand for, where that is gone.
  private func restoreNames() {
    var names = Set(graph.values.map(\.name))
    let present = Set(graph.values.map(ObjectIdentifier.init))
    for (t, pair) in integers where present.contains(ObjectIdentifier(pair.quantized)) {
      let name = tensors[t].name
      if !name.isEmpty, names.insert(name).inserted { pair.quantized.name = name }
    }
  }

  // MARK: What has become of it

  /// The number of the function in the quantised graph.
  var functionNumber: Int { graph.functions.firstIndex { $0 === function } ?? 0 }

  /// Whether a node of the float network is computed in integers: nothing of its name and operator
  /// is left, or its result is what integers stand for.
  func isInteger(_ node: Node, _ outputs: [Int]) -> Bool {
    if !node.name.isEmpty {
      return !function.nodes.contains { $0.name == node.name && $0.op == node.op }
    }
    return outputs.contains { t in
      let float = function.producer(of: tensors[t])
      if let float, float.op.hasPrefix("DynamicQuantize") { return true }
      guard let q = integers[t]?.quantized, let producer = function.producer(of: q) else {
        return false
      }
      return producer.op != "QuantizeLinear"
    }
  }
}
