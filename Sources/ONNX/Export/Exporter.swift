import Graph
import ModelFormat

/// Writes a graph as an ONNX model.
///
/// The rule is generic: the registry's operators are ONNX's, so a node is written as it stands. What
/// ONNX has not, or says otherwise, is taken apart by an entry of `exportRules` (ExportRules.swift),
/// or refused by name. A state becomes an input, whose initial value is its default, and an output.
public final class Exporter {
  /// Newer operators raise it: `firstOpsets`.
  static let baseOpset = 21

  private let graph: Graph
  private let function: Function
  /// The graph that is being written: the model's own, or a body.
  private var proto = GraphProto()
  /// Weights, and the nodes that make them of integers, all of them the model's own graph's.
  private var weights: [TensorProto] = []
  private var preparation: [NodeProto] = []
  private var opset = Exporter.baseOpset
  private var names = NameTable()
  private var problems: [String] = []
  /// Quantised operators are written as DequantizeLinear, the operator of floats, QuantizeLinear.
  let writesPairs: Bool
  private var usesMicrosoft = false

  /// - Parameters:
  ///   - function: which of the graph's functions; nil is the one that runs by default.
  ///   - writesPairs: Otherwise QLinearConv and the like are written as they are, some of them in ONNX
  ///     Runtime's own domain.
  public init(_ graph: Graph, function: Function? = nil, writesPairs: Bool = true) throws {
    self.graph = graph
    self.writesPairs = writesPairs
    guard let function = function ?? graph.mainFunction else {
      throw ONNXError("the model has no function")
    }
    self.function = function
  }

  /// The bytes of the .onnx file.
  ///
  /// - Throws: ONNXError that names every node that ONNX cannot express.
  public func run() throws -> [UInt8] {
    try graph.inferShapes()
    for value in function.inputs + function.outputs { names.reserve(value) }
    let states = Graph(functions: [function]).states
    for state in states { names.reserve(state) }
    let nexts = nameStates(states)
    for input in function.inputs {
      if function.outputs.contains(where: { $0.name == input.name }) {
        problems.append("\(input.name) is an input and an output, which ONNX cannot tell apart")
      }
      proto.inputs.append(info(input, names[input]))
    }
    for state in states {
      proto.inputs.append(info(state, names[state]))
      weights.append(initial(state))
    }
    for node in function.nodes { export(node) }
    for output in function.outputs { proto.outputs.append(info(output, names[output])) }
    for (next, name) in nexts {
      if names[next] != name {
        append(NodeProto(op: "Identity", name: name, inputs: [reference(next)], outputs: [name]))
      }
      proto.outputs.append(info(next, name))
    }
    guard problems.isEmpty else { throw ONNXError(problems.joined(separator: "; ")) }
    proto.name = graph.metadata("name") ?? function.name
    proto.initializers = weights
    proto.nodes = preparation + proto.nodes
    return try model(states, nexts.map(\.name)).encode()
  }

  /// Reserves a name for what each state becomes.
  private func nameStates(_ states: [Value]) -> [(next: Value, name: String)] {
    states.compactMap { state in
      guard let next = function.stateUpdates.first(where: { $0.state === state })?.next else {
        return nil
      }
      let name = names.free(state.name + ".next")
      if names.has(next) { return (next, name) }
      names.set(next, name)
      return (next, name)
    }
  }

  private func model(_ states: [Value], _ nexts: [String]) -> ModelProto {
    var model = ModelProto()
    model.opsets = ["": opset]
    if usesMicrosoft { model.opsets[Exporter.microsoft] = 1 }
    model.irVersion = Exporter.irVersion(opset)
    model.producerName = "Apus"
    model.graph = proto
    for entry in graph.metadata where entry.key != "onnx_opset" && entry.key != Graph.passesKey {
      model.metadata.append(entry)
    }
    let pairs = zip(states, nexts).map { "\($0.name)=\($1)" }
    if !pairs.isEmpty { model.metadata.append(("apus.states", pairs.joined(separator: ","))) }
    return model
  }

  /// The first that has the operator set, by the table in ONNX's Versioning.md.
  private static func irVersion(_ opset: Int) -> Int {
    switch opset {
    case ...22: 10
    case 23: 11
    case 24: 12
    case 25...27: 13
    default: 14
    }
  }

  // MARK: Nodes

  private func export(_ node: Node) {
    do { try write(any: node) } catch {
      problems.append("node \(node.displayName): \(error)")
    }
  }

  func write(any node: Node) throws {
    if let rule = exportRules[node.op] {
      try rule(node, self)
    } else if let control = node.definition?.control {
      try writeControl(node, control)
    } else if node.op.hasPrefix("QLinear"), let places = node.definition?.scales {
      try writeQuantized(node, places)
    } else {
      try write(node)
    }
  }

  /// Writes a node as it stands.
  func write(_ node: Node, dropping dropped: Set<String> = [], domain: String = "") throws {
    opset = max(opset, firstOpsets[node.op] ?? 0)
    for (name, first) in firstOpsetsOfAttributes[node.op] ?? [:]
    where node.attributes[name] != nil && !dropped.contains(name) {
      opset = max(opset, first)
    }
    var result = NodeProto(op: node.op, domain: domain, name: node.name)
    if domain == Exporter.microsoft { usesMicrosoft = true }
    result.inputs = node.inputs.map { $0.map { reference($0) } ?? "" }
    result.outputs = outputs(node)
    for (name, value) in node.attributes.sorted(by: { $0.key < $1.key })
    where !dropped.contains(name) {
      result.attributes.append(AttributeProto(name: name, value: try attribute(name, value)))
    }
    append(result)
  }

  /// The names of a node's outputs. One that nobody reads has one too, unless ONNX lets it be left
  /// out.
  func outputs(_ node: Node) -> [String] {
    let optional = optionalOutputs[node.op] ?? node.outputs.count
    var result = node.outputs.enumerated().map { i, output in
      output.map { names[$0] } ?? (i < optional ? unread(node, i) : "")
    }
    while result.count < requiredOutputs[node.op] ?? 0 { result.append(unread(node, result.count)) }
    return result
  }

  private func unread(_ node: Node, _ i: Int) -> String {
    names.free("\(node.name.isEmpty ? node.op : node.name).\(i)")
  }

  /// Makes the model's operator set no older than this.
  func require(opset first: Int) { opset = max(opset, first) }

  func attribute(_ name: String, _ value: Attribute) throws -> AttributeValue {
    switch value {
    case .string(let v) where name == "activations":
      return .strings(v.split(separator: ",").map(String.init))
    case .int(let v): return .int(v)
    case .float(let v): return .float(v)
    case .string(let v): return .string(v)
    case .ints(let v): return .ints(v)
    case .floats(let v): return .floats(v)
    case .function: throw ONNXError("its attribute \(name) is a graph, which it does not take")
    }
  }

  func append(_ node: NodeProto) { proto.nodes.append(node) }

  /// Adds a node of ONNX and returns its output's name.
  func emit(
    _ op: String, _ inputs: [String], _ attributes: [String: AttributeValue] = [:],
    name: String, output: String? = nil
  ) -> String {
    let output = output ?? names.free(name)
    append(
      NodeProto(
        op: op, name: output, inputs: inputs, outputs: [output],
        attributes: attributes.sorted { $0.key < $1.key }.map {
          AttributeProto(name: $0.key, value: $0.value)
        }))
    return output
  }

  /// The graph that `write` fills.
  func nested(_ write: () throws -> Void) rethrows -> GraphProto {
    let around = proto
    defer { proto = around }
    proto = GraphProto()
    proto.name = "body"
    try write()
    return proto
  }

  func addInput(_ value: Value) { proto.inputs.append(info(value, names[value])) }

  /// A body's. Whoever runs it gives the output the shape that is stated here, so a bound is none.
  func addOutput(_ value: Value, _ name: String) {
    var info = info(value, name)
    if value.isBound { info.shape = value.shape?.map { _ in .unknown } }
    proto.outputs.append(info)
  }

  /// Adds an initialiser and returns its name.
  func constant(_ name: String, _ value: Value) -> String {
    value.name = name
    return reference(value)
  }

  // MARK: Values

  /// The name of a value that is read; a weight is added to the model when it is first asked for.
  func reference(_ value: Value) -> String {
    if value.kind == .weight, !names.has(value) { addWeight(value) }
    return names[value]
  }

  func name(_ value: Value) -> String { names[value] }

  /// Gives a value the name of another.
  func rename(_ value: Value, _ name: String) { names.set(value, name) }

  private func addWeight(_ value: Value) {
    var tensor = TensorProto(
      name: "", type: ElementType(value.dataType), dimensions: value.fixedShape ?? [],
      elements: .bytes(value.bytes))
    guard let q = value.quantization else {
      if value.dataType != value.logicalType {
        tensor.type = .float32
        tensor.elements = .bytes(widened(value))
      }
      tensor.name = names[value]
      weights.append(tensor)
      return
    }
    // real = scale · (stored − zero point)
    let result = names[value]
    tensor.name = names.free(result + ".quantized")
    weights.append(tensor)
    let shape = q.axis == nil ? [] : [q.scales.count]
    var inputs = [
      tensor.name, constant(result + ".scale", Value("", shape, floats: q.scales)),
    ]
    if !q.zeroPoints.isEmpty, value.dataType != .int32 {
      let bytes = q.zeroPoints.map { UInt8(truncatingIfNeeded: $0) }
      inputs.append(
        constant(
          result + ".zero_point",
          Value("", value.dataType, shape.map { .fixed($0) }, kind: .weight, bytes: bytes)))
    }
    let axis = q.axis.map { [AttributeProto(name: "axis", value: .int($0))] } ?? []
    preparation.append(
      NodeProto(
        op: "DequantizeLinear", name: result, inputs: inputs, outputs: [result], attributes: axis))
  }

  private func widened(_ value: Value) -> [UInt8] {
    mapElements(value.bytes, UInt16.self) {
      value.dataType == .float16 ? Float(Float16(bitPattern: $0)) : Float(bfloat16: $0)
    }
  }

  private func initial(_ state: Value) -> TensorProto {
    let count = (state.count ?? 0) * state.dataType.size
    return TensorProto(
      name: names[state], type: ElementType(state.dataType), dimensions: state.fixedShape ?? [],
      elements: .bytes(state.bytes.isEmpty ? [UInt8](repeating: 0, count: count) : state.bytes))
  }

  private func info(_ value: Value, _ name: String) -> ValueInfoProto {
    ValueInfoProto(
      name: name, type: ElementType(value.dataType),
      shape: value.shape?.map { dimension in
        switch dimension {
        case .fixed(let d): .value(d)
        case .free(let name): name.isEmpty ? .unknown : .parameter(name)
        }
      })
  }
}

/// A name for each value, none twice.
struct NameTable {
  private var names: [ObjectIdentifier: String] = [:]
  private var taken: Set<String> = []
  /// Keeps the values whose identity counts.
  private var kept: [Value] = []

  func has(_ value: Value) -> Bool { names[ObjectIdentifier(value)] != nil }

  mutating func set(_ value: Value, _ name: String) {
    names[ObjectIdentifier(value)] = name
    taken.insert(name)
    kept.append(value)
  }

  /// Names of inputs and outputs stay what they are.
  mutating func reserve(_ value: Value) {
    if !has(value) { set(value, value.name) }
  }

  /// A name that nobody has: the wanted one, if it is free.
  mutating func free(_ wanted: String) -> String {
    var name = wanted.isEmpty ? "t" : wanted
    var number = 1
    while !taken.insert(name).inserted {
      number += 1
      name = "\(wanted.isEmpty ? "t" : wanted)_\(number)"
    }
    return name
  }

  subscript(value: Value) -> String {
    mutating get {
      if let name = names[ObjectIdentifier(value)] { return name }
      let name = free(value.name)
      names[ObjectIdentifier(value)] = name
      kept.append(value)
      return name
    }
  }
}
