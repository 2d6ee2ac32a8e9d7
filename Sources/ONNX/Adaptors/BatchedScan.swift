import Graph

/// Scan of opset 8 runs its body over axis 1, for every index of the batch axis 0: a Scan of today
/// over axis 0 whose body is a Scan over what was axis 1.
func batchedScan(_ node: ImportNode) throws {
  guard node.int(innermost) == nil else { return node.drop(innermost) }
  guard case .graph(let body)? = node.attributes["body"],
    let scanned = node.int("num_scan_inputs"), scanned > 0, scanned < node.inputs.count
  else { throw NodeProblem("its body or num_scan_inputs is missing") }
  guard node.inputs[0] == nil else {
    throw NodeProblem(
      "its sequences have lengths of their own (input 0)", instead: "export it for opset 9 or newer")
  }
  node.inputs.removeFirst()
  guard body.inputs.count == node.inputs.count else {
    throw NodeProblem(
      "its body has \(body.inputs.count) inputs; \(node.inputs.count) are passed")
  }
  var inner = NodeProto()
  inner.op = "Scan"
  inner.name = node.name + ".sequence"
  inner.inputs = body.inputs.indices.map { "\(inner.name).input\($0)" }
  inner.outputs = body.outputs.indices.map { "\(inner.name).output\($0)" }
  inner.attributes = [
    AttributeProto(name: "body", value: .graph(body)),
    AttributeProto(name: "num_scan_inputs", value: .int(scanned)),
    AttributeProto(name: innermost, value: .int(1)),
  ]
  if let directions = node.ints("directions") {
    inner.attributes.append(AttributeProto(name: "scan_input_directions", value: .ints(directions)))
  }
  var outer = GraphProto()
  outer.nodes = [inner]
  outer.inputs = inner.inputs.map { ValueInfoProto(name: $0) }
  outer.outputs = inner.outputs.map { ValueInfoProto(name: $0) }
  node.attributes = ["body": .graph(outer), "num_scan_inputs": .int(node.inputs.count)]
}

/// Marks the Scan that an outer one has taken the batch axis from.
private let innermost = "\u{0}innermost"
