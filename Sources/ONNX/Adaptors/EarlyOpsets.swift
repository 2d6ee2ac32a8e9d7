import Graph

// What operator sets before 7 said otherwise.

/// Arithmetic and comparisons before opset 7: input 1 is broadcast only where `broadcast` says so,
/// its dimensions standing against those of input 0 from `axis` on.
func legacyBroadcast(_ node: ImportNode) throws {
  let axis = node.int("axis")
  let broadcasts = node.int("broadcast") == 1
  node.drop("axis", "broadcast")
  guard broadcasts, let axis, let a = node.shape(0), let b = node.input(1), let shape = b.shape
  else { return }
  let first = axis < 0 ? axis + a.count : axis
  guard (0...a.count).contains(first) else {
    throw NodeProblem("axis \(axis) does not exist in a tensor of rank \(a.count)")
  }
  let behind = a.count - first - shape.count
  guard behind > 0 else { return }
  node.setInput(
    1,
    node.emit(
      "Unsqueeze",
      [b, Value(node.name + ".axes", [behind], integers: (0..<behind).map { shape.count + $0 })]))
}

/// Gemm before opset 7 says whether C is broadcast; it always is.
func legacyGemm(_ node: ImportNode) throws { node.drop("broadcast") }

/// BatchNormalization before opset 7 may be in training.
func legacyBatchNormalization(_ node: ImportNode) throws {
  guard node.int("is_test") ?? 0 != 0 || node.outputs.dropFirst().allSatisfy({ $0 == nil }) else {
    throw NodeProblem("it is in training mode", instead: "export the model for inference")
  }
  node.drop("is_test")
}

/// Reshape before opset 5: the shape is an attribute.
func legacyReshape(_ node: ImportNode) throws { node.makeInput(1, fromInts: "shape") }

/// Pad before opset 2.
func legacyPad(_ node: ImportNode) throws {
  if let paddings = node.attributes["paddings"] { node.attributes["pads"] = paddings }
  node.drop("paddings")
}

/// Concat before opset 4: axis 1 where none is given.
func legacyConcat(_ node: ImportNode) throws {
  if node.int("axis") == nil { node.attributes["axis"] = .int(1) }
}

/// Cast before opset 6: the type's name.
func legacyCast(_ node: ImportNode) throws {
  guard let name = node.string("to") else { return }
  guard let number = legacyTypes[name] else { throw NodeProblem("it casts to \(name)") }
  node.attributes["to"] = .int(number)
}

private let legacyTypes = [
  "FLOAT": 1, "UINT8": 2, "INT8": 3, "UINT16": 4, "INT16": 5, "INT32": 6, "INT64": 7, "BOOL": 9,
  "FLOAT16": 10, "DOUBLE": 11, "UINT32": 12, "UINT64": 13,
]

/// PRelu before opset 7: one slope for each channel, where there are more than one.
func legacyPRelu(_ node: ImportNode) throws {
  guard let rank = node.shape(0)?.count, rank > 2, let slope = node.input(1),
    slope.shape?.count == 1, slope.count != 1
  else { return }
  let axes = Value(node.name + ".axes", [rank - 2], integers: Array(1..<rank - 1))
  node.setInput(1, node.emit("Unsqueeze", [slope, axes]))
}
