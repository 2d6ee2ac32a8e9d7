import Graph

// Attributes that newer operator sets turned into inputs.

/// Squeeze and Unsqueeze before opset 13, the reductions before 13 (ReduceSum) and 18.
func axes(_ node: ImportNode) throws { node.makeInput(1, fromInts: "axes") }

/// Split before opset 13.
func splitLengths(_ node: ImportNode) throws { node.makeInput(1, fromInts: "split") }

/// Split before opset 18: without lengths into equal pieces, as many as there are outputs.
func splitEqually(_ node: ImportNode) throws {
  if node.input(1) == nil { node.attributes["num_outputs"] = .int(node.outputs.count) }
}

/// Clip before opset 11: floats `min` and `max`, each of which may be missing.
func clipLimits(_ node: ImportNode) throws {
  for (i, name) in ["min", "max"].enumerated() {
    guard let limit = node.float(name) else { continue }
    node.setInput(i + 1, Value(node.name + "." + name, [], floats: [limit]))
  }
  node.drop("min", "max")
}

/// Pad before opset 11: `pads` and the float `value`.
func padAmounts(_ node: ImportNode) throws {
  node.makeInput(1, fromInts: "pads")
  if let value = node.float("value"), value != 0 {
    node.setInput(2, Value(node.name + ".value", [], floats: [value]))
  }
  node.drop("value")
}

/// Slice before opset 10: `starts`, `ends` and `axes`.
func sliceBounds(_ node: ImportNode) throws {
  guard node.ints("starts") != nil, node.ints("ends") != nil else {
    throw NodeProblem("its attributes starts and ends are missing")
  }
  node.makeInput(1, fromInts: "starts")
  node.makeInput(2, fromInts: "ends")
  node.makeInput(3, fromInts: "axes")
}

/// TopK before opset 10: the number `k`.
func topK(_ node: ImportNode) throws {
  guard let k = node.int("k") else { throw NodeProblem("its attribute k is missing") }
  node.setInput(1, Value(node.name + ".k", [1], integers: [k]))
  node.drop("k")
}
