import Graph
import ModelFormat

// Graphs in attributes become functions of the file. A function reads only what is its own, so what
// a body reads of the graph around it becomes inputs: of the node behind ONNX's own, and of each of
// its bodies in the same order.

/// A branch whose condition is known is taken.
func ifBranches(_ node: ImportNode) throws {
  guard case .graph(let then)? = node.attributes["then_branch"],
    case .graph(let other)? = node.attributes["else_branch"]
  else { throw NodeProblem("its branches are missing") }
  if let condition = node.input(0), condition.kind == .weight, condition.dataType == .bool {
    return inline(node, condition.bytes.first ?? 0 != 0 ? then : other)
  }
  let branches = try [then, other].enumerated().map { i, graph in
    try body(node, graph, i == 0 ? "then" : "else", inputs: [])
  }
  attach(node, [("then_branch", branches[0]), ("else_branch", branches[1])])
}

func loopBody(_ node: ImportNode) throws {
  guard case .graph(let whole)? = node.attributes["body"] else {
    throw NodeProblem("its body is missing")
  }
  let accumulators = try Accumulators(node, whole)
  let graph = accumulators.graph
  for k in accumulators.positions.reversed() { node.inputs.remove(at: k + 2) }
  let carried = node.inputs.count < 2 ? [] : Array(node.inputs[2...])
  while node.inputs.count < 2 { node.inputs.append(nil) }
  let inputs =
    [Value("", .int64, []), Value("", .bool, [])]
    + (try carried.map { value in
      guard let value else { throw NodeProblem("a value that its body carries is missing") }
      return Value(standingFor: value)
    })
  attach(node, [("body", try body(node, graph, "body", inputs: inputs))])
  if !accumulators.positions.isEmpty { try emit(node, accumulators.positions) }
}

/// Emits a Loop of which some outputs are sequences: their tensors come last.
private func emit(_ node: ImportNode, _ positions: [Int]) throws {
  guard case .function(let function)? = node.attributes["body"],
    positions.allSatisfy(node.outputs.indices.contains)
  else { throw NodeProblem("it has too few outputs") }
  let others = node.outputs.indices.filter { !positions.contains($0) }
  let stacks = positions.map { Value(node.outputs[$0]?.name ?? "\(node.name).\($0)") }
  let outputs = node.owner.emit(
    Node(
      "Loop", name: node.name, inputs: node.inputs,
      outputs: others.map { node.outputs[$0] } + stacks,
      attributes: [
        "body": .function(function), "captures": .int(node.int("captures") ?? 0),
      ]))
  for (i, k) in others.enumerated() { node.outputs[k] = outputs[i] }
  for (i, k) in positions.enumerated() {
    guard let stack = outputs[others.count + i] else { continue }
    node.outputs[k] = node.owner.stand(for: .stacked(stack), named: stack.name)
  }
  node.isDone = true
}

func scanBody(_ node: ImportNode) throws {
  guard case .graph(let graph)? = node.attributes["body"], let scanned = node.int("num_scan_inputs"),
    scanned >= 0, scanned <= node.inputs.count
  else { throw NodeProblem("its body or num_scan_inputs is missing") }
  let states = node.inputs.count - scanned
  let axes = node.ints("scan_input_axes") ?? []
  let inputs = try node.inputs.enumerated().map { i, value -> Value in
    guard let value, var shape = value.shape else {
      throw NodeProblem("the shape of input \(i) is not known")
    }
    if i >= states {
      let axis = i - states < axes.count ? axes[i - states] : 0
      let at = axis < 0 ? axis + shape.count : axis
      guard shape.indices.contains(at) else {
        throw NodeProblem("scan axis \(axis) does not exist in a tensor of rank \(shape.count)")
      }
      shape.remove(at: at)
    }
    return Value("", value.logicalType, shape)
  }
  attach(node, [("body", try body(node, graph, "body", inputs: inputs))])
}

// MARK: Bodies

private struct Body {
  let function: Function
  var captures: [(outer: Value, inner: Value)]
}

/// Takes the nodes of a graph without inputs in place of the node.
private func inline(_ node: ImportNode, _ graph: GraphProto) {
  let scope = Scope(outer: (node.scope, node.owner))
  node.owner.importer.readInitializers(graph, scope, node.owner)
  node.owner.importNodes(
    graph.nodes, scope, opsets: node.opsets, wanted: graph.outputs.map(\.name))
  for (i, info) in graph.outputs.enumerated() where node.output(i) != nil {
    guard let value = node.owner.resolve(info.name, scope) else { continue }
    node.outputs[i] = value
  }
  node.isDone = true
}

/// Makes a function of a graph. `inputs` have the types and shapes; the names are the graph's.
private func body(
  _ node: ImportNode, _ graph: GraphProto, _ role: String, inputs: [Value]
) throws -> Body {
  let importer = node.owner.importer
  guard graph.inputs.count == inputs.count else {
    throw NodeProblem("its \(role) has \(graph.inputs.count) inputs; \(inputs.count) are passed")
  }
  let function = Function("\(node.name).\(role)#\(importer.bodies.count)")
  importer.add(body: function)
  let inner = FunctionImporter(importer, function: function, bounds: Bound.stated(in: graph))
  let scope = Scope(outer: (node.scope, node.owner))
  importer.readInitializers(graph, scope, inner)
  for (info, input) in zip(graph.inputs, inputs) {
    input.name = info.name
    function.inputs.append(input)
    scope[info.name] = input
    do { try inner.bind(input) } catch { inner.markUnknown(input) }
  }
  inner.importNodes(graph.nodes, scope, opsets: node.opsets, wanted: graph.outputs.map(\.name))
  for info in graph.outputs {
    guard let value = inner.resolve(info.name, scope) else {
      throw NodeProblem("its \(role) does not write its output \(info.name)")
    }
    function.outputs.append(inner.named(value, info.name))
  }
  return Body(function: function, captures: inner.captures)
}

/// Gives the node and all its bodies the tensors that any of the bodies reads from around it.
private func attach(_ node: ImportNode, _ bodies: [(attribute: String, body: Body)]) {
  var outers: [Value] = []
  for (_, body) in bodies {
    for capture in body.captures where !outers.contains(where: { $0 === capture.outer }) {
      outers.append(capture.outer)
    }
  }
  for (attribute, body) in bodies {
    for (k, outer) in outers.enumerated() {
      let inner =
        body.captures.first { $0.outer === outer }?.inner
        ?? Value(standingFor: outer)
      inner.name = "\(outer.name)#\(k)"
      body.function.inputs.append(inner)
    }
    node.attributes[attribute] = .function(body.function)
  }
  node.inputs += outers
  if node.op != "If" { node.attributes["captures"] = .int(outers.count) }
}
