import Graph
import ModelFormat
import Operators

/// Imports the nodes of one graph into one function.
final class FunctionImporter {
  let importer: Importer
  let function: Function
  /// Tensors of the graph around this one, and the inputs that stand for them here.
  private(set) var captures: [(outer: Value, inner: Value)] = []
  private let free = FreeDimensions()
  /// Inputs, and values that have the name of an output.
  var boundary: Set<ObjectIdentifier> = []
  private let partial = PartialValues()
  private var sequences: [ObjectIdentifier: (sequence: TensorSequence, value: Value)] = [:]
  /// Operators with more outputs than this have a list of them.
  private static let mostSeparateOutputs = 16
  /// What is written by nodes that could not be imported: nothing is known of it.
  private var unknown: Set<ObjectIdentifier> = []
  /// What the model says of tensors whose shapes only a run may find.
  private let bounds: [String: Bound]
  /// The node that is being imported, which problems are reported of.
  private var current: (op: String, name: String)?

  init(_ importer: Importer, function: Function, bounds: [String: Bound] = [:]) {
    self.importer = importer
    self.bounds = bounds
    self.function = function
  }

  func bind(_ input: Value) throws { try free.bind(input) }

  func isKnown(_ value: Value) -> Bool { !unknown.contains(ObjectIdentifier(value)) }

  /// A value that stands for a sequence, which only the sequence operators and Loop understand.
  func stand(for sequence: TensorSequence, named name: String) -> Value {
    let value = Value(name)
    sequences[ObjectIdentifier(value)] = (sequence, value)
    return value
  }

  func sequence(_ value: Value?) -> TensorSequence? {
    value.flatMap { sequences[ObjectIdentifier($0)]?.sequence }
  }

  /// Marks a value of which nothing can be said, after a problem has been reported.
  func markUnknown(_ value: Value?) {
    if let value { unknown.insert(ObjectIdentifier(value)) }
  }

  // MARK: Nodes

  /// Imports nodes in order. `wanted` are the names that somebody else reads; nodes whose outputs
  /// nobody does are left out.
  func importNodes(
    _ nodes: [NodeProto], _ scope: Scope, opsets: [String: Int], wanted: [String]
  ) {
    importer.expansion.enter()
    defer { importer.expansion.leave() }
    let used = UsedNames(nodes, wanted: wanted)
    for (i, proto) in nodes.enumerated()
    where used.isAlive[i] && !importer.expansion.isExhausted {
      importer.count(proto)
      importNode(proto, scope, opsets: opsets, used: used)
    }
  }

  private func importNode(
    _ proto: NodeProto, _ scope: Scope, opsets: [String: Int], used: UsedNames
  ) {
    let inputs = proto.inputs.map { $0.isEmpty ? nil : resolve($0, scope) }
    let outputs = proto.outputs.map { name -> Value? in
      if name.isEmpty || !used.names.contains(name) { return nil }
      let value = Value(name)
      bounds[name]?.set(value)
      return value
    }
    var attributes: [String: AttributeValue] = [:]
    for attribute in proto.attributes {
      if case .reference(let name) = attribute.value {
        attributes[attribute.name] = scope.arguments?[name]
      } else {
        attributes[attribute.name] = attribute.value
      }
    }
    let node = ImportNode(
      proto, opset: opsets[proto.domain] ?? 0, inputs: inputs, outputs: outputs,
      attributes: attributes, owner: self, scope: scope, opsets: opsets)
    let before = current
    current = (proto.op, node.name)
    defer { current = before }
    do {
      for (i, name) in proto.inputs.enumerated() where !name.isEmpty && inputs[i] == nil {
        throw NodeProblem("input \(i), \(name), is written by no node before it")
      }
      guard importer.expansion.depth <= Expansion.depthLimit else {
        throw NodeProblem(
          "it is more than \(Expansion.depthLimit) calls and graphs deep in the model")
      }
      if scope.arguments != nil { try importer.expansion.count(proto, attributes) }
      if let callee = importer.function(proto) {
        try call(callee, node)
      } else {
        try adapt(node)
        if !node.isDone {
          for (i, input) in node.inputs.enumerated() where sequence(input) != nil {
            throw NodeProblem("input \(i) is a sequence of tensors", instead: "pass one tensor")
          }
          try emitRenamed(node)
        }
      }
    } catch let problem as NodeProblem {
      report(problem)
      for output in node.outputs { markUnknown(output) }
    } catch {
      report(NodeProblem("\(error)"))
      for output in node.outputs { markUnknown(output) }
    }
    for (i, name) in proto.outputs.enumerated() where !name.isEmpty && i < node.outputs.count {
      if let value = node.outputs[i] { scope[name] = value }
    }
  }

  /// The value of a name; one of the graph around this becomes an input of this.
  func resolve(_ name: String, _ scope: Scope) -> Value? {
    if let value = scope[name] { return value }
    guard let outer = scope.outer else { return nil }
    // Within one function, graphs that were inlined see the names around them directly.
    guard let value = outer.importer.resolve(name, outer.scope) else { return nil }
    if outer.importer === self || value.kind != .activation { return value }
    if outer.importer.sequence(value) != nil { return nil }
    if let known = captures.first(where: { $0.outer === value }) { return known.inner }
    let inner = Value(name, standingFor: value)
    captures.append((value, inner))
    if outer.importer.isKnown(value) {
      do { try bind(inner) } catch { markUnknown(inner) }
    } else {
      markUnknown(inner)
    }
    return inner
  }

  private func adapt(_ node: ImportNode) throws {
    guard
      node.domain.isEmpty
        || (node.domain == Exporter.microsoft && microsoftOperators.contains(node.op))
    else {
      throw NodeProblem(
        "the operators of domain \(node.domain) are not ONNX's own", instead: alternative(node.op))
    }
    // Which inputs an operator may overwrite: before opset 6, and never of use.
    node.drop("consumed_inputs")
    for adaptor in adaptors[node.op] ?? [] where !node.isDone && node.opset < adaptor.before {
      try adaptor.adapt(node)
    }
  }

  /// Replaces a node by the nodes of the function that it calls.
  private func call(_ callee: FunctionProto, _ node: ImportNode) throws {
    var arguments = node.attributes
    for attribute in callee.defaults where arguments[attribute.name] == nil {
      arguments[attribute.name] = attribute.value
    }
    let scope = Scope(arguments: arguments)
    for (name, value) in zip(callee.inputs, node.inputs) { scope[name] = value }
    importNodes(
      callee.nodes, scope, opsets: node.opsets.merging(callee.opsets) { $1 },
      wanted: callee.outputs)
    for (i, name) in callee.outputs.enumerated() where i < node.outputs.count {
      guard node.outputs[i] != nil else { continue }
      guard let value = resolve(name, scope) else {
        throw NodeProblem("its function does not write its output \(name)")
      }
      if value.kind == .activation, !function.inputs.contains(where: { $0 === value }),
        let wanted = node.outputs[i]
      {
        value.name = wanted.name
      }
      node.outputs[i] = value
    }
  }

  // MARK: Emission

  private func emitRenamed(_ node: ImportNode) throws {
    let result = Node(
      node.op, name: node.name, inputs: node.inputs, outputs: node.outputs,
      attributes: try convertAttributes(node))
    node.outputs = try add(result)
  }

  /// Adds a node; what stands in its way is reported of the ONNX node that is being imported.
  func emit(_ node: Node, folding: Bool = true) -> [Value?] {
    do { return try add(node, folding: folding) } catch {
      report(error as? NodeProblem ?? NodeProblem("\(error)"))
      for output in node.outputs { markUnknown(output) }
      return node.outputs
    }
  }

  /// - Returns: The outputs, of which some may have become constants.
  private func add(_ node: Node, folding: Bool = true) throws -> [Value?] {
    guard let definition = node.definition else {
      throw NodeProblem("the runtime has no operator of this name", instead: alternative(node.op))
    }
    while node.inputs.count > definition.inputs.lowerBound, node.inputs.last! == nil {
      node.inputs.removeLast()
    }
    // How many outputs Split, Loop and the like have says what they do.
    let isCounted = definition.outputs.upperBound > FunctionImporter.mostSeparateOutputs
    while !isCounted, node.outputs.count > definition.outputs.lowerBound, node.outputs.last! == nil {
      node.outputs.removeLast()
    }
    guard node.inputs.compactMap({ $0 }).allSatisfy(isKnown) else {
      function.nodes.append(node)
      for output in node.outputs { markUnknown(output) }
      return node.outputs
    }
    // A file's tensor cannot be written to nowhere by an operator whose first output is required.
    if node.outputs.allSatisfy({ $0 == nil }) {
      node.outputs = [Value(node.name + ".unused")] + node.outputs.dropFirst()
    }
    do { try free.infer(node) } catch {
      if let (kept, other) = free.namesToUnify(for: node) { importer.unify(kept, other) }
      throw NodeProblem(FunctionImporter.reason(error), instead: alternative(node.op))
    }
    if folding,
      let constants = ConstantEvaluator.evaluate(node, within: importer.expansion.constants)
    {
      importer.expansion.add(constants: constants)
      return constants
    }
    if folding, let constant = partial.evaluate(node) { return [constant] }
    function.nodes.append(node)
    return node.outputs
  }

  /// A shape rule's words, without the node that they start with.
  private static func reason(_ error: any Error) -> String {
    let text = "\(error)"
    guard text.hasPrefix("node "), let colon = text.range(of: "): ") else {
      guard text.hasPrefix("node "), let colon = text.range(of: ": ") else { return text }
      return String(text[colon.upperBound...])
    }
    return String(text[colon.upperBound...])
  }

  private func convertAttributes(_ node: ImportNode) throws -> [String: Attribute] {
    let known = (node.definition?.attributes ?? []).map { String($0.name) }
    var result: [String: Attribute] = [:]
    for (name, value) in node.attributes.sorted(by: { $0.key < $1.key }) {
      guard node.definition == nil || known.contains(name) else {
        throw NodeProblem("its attribute \(name) is not supported")
      }
      switch value {
      case .int(let v): result[name] = .int(v)
      case .float(let v): result[name] = .float(v)
      case .string(let v): result[name] = .string(v)
      case .ints(let v): result[name] = .ints(v)
      case .floats(let v): result[name] = .floats(v)
      case .function(let v): result[name] = .function(v)
      case .strings(let v): result[name] = .string(v.joined(separator: ","))
      default: throw NodeProblem("its attribute \(name) is \(value.kind), which is not supported")
      }
    }
    return result
  }

  func report(_ problem: NodeProblem) {
    importer.report(
      ImportProblem(
        op: current?.op, name: current?.name ?? "", what: problem.what, instead: problem.instead))
  }
}

extension ImportNode {
  var definition: Operator? { Node(op, inputs: [], outputs: []).definition }
}

/// The type of a tensor, and dimensions that it does not exceed.
struct Bound {
  let dataType: DataType
  let dimensions: [Int]

  func set(_ value: Value) {
    value.dataType = dataType
    value.bound = dimensions
  }

  /// What a graph states of its outputs and inner tensors, where it is a fixed shape.
  static func stated(in graph: GraphProto) -> [String: Bound] {
    var result: [String: Bound] = [:]
    for info in graph.valueInfo + graph.outputs {
      guard let type = info.type?.computed, let shape = info.shape else { continue }
      let dimensions = shape.compactMap { d -> Int? in
        if case .value(let size) = d, size >= 0 { size } else { nil }
      }
      if dimensions.count == shape.count, shape.count <= Shape.maximumRank {
        result[info.name] = Bound(dataType: type, dimensions: dimensions)
      }
    }
    return result
  }
}

/// Which names somebody reads, and which nodes write one of those.
struct UsedNames {
  private(set) var names: Set<String>
  private(set) var isAlive: [Bool]

  init(_ nodes: [NodeProto], wanted: [String]) {
    names = Set(wanted)
    isAlive = [Bool](repeating: false, count: nodes.count)
    for (i, node) in nodes.enumerated().reversed() {
      guard node.outputs.contains(where: { names.contains($0) }) else { continue }
      isAlive[i] = true
      names.formUnion(UsedNames.read(by: node))
    }
  }

  /// What the node and the graphs in its attributes read.
  private static func read(by node: NodeProto) -> [String] {
    var result = node.inputs.filter { !$0.isEmpty }
    for attribute in node.attributes {
      guard case .graph(let graph) = attribute.value else { continue }
      for inner in graph.nodes { result += read(by: inner) }
      result += graph.outputs.map(\.name)
    }
    return result
  }
}
