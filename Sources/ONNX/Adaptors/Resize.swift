import Graph

/// Upsample before opset 9: `scales` is an attribute.
func upsampleScales(_ node: ImportNode) throws {
  guard let scales = node.floats("scales") else {
    throw NodeProblem("its attribute scales is missing")
  }
  node.setInput(1, Value(node.name + ".scales", [scales.count], floats: scales))
  node.drop("scales")
}

/// Upsample is the Resize whose corners of pixels, not centres, lie on each other.
func upsample(_ node: ImportNode) throws {
  node.op = "Resize"
  node.inputs = [node.input(0), nil, node.input(1)]
  node.attributes["coordinate_transformation_mode"] = .string("asymmetric")
  node.attributes["nearest_mode"] = .string("floor")
  if node.string("mode") == "bilinear" { node.attributes["mode"] = .string("linear") }
}

/// Resize of opset 10 takes no region; its pixels' corners lie on each other.
func oldResize(_ node: ImportNode) throws {
  let shrinks = node.constantFloats(1)?.contains { $0 < 1 } ?? false
  node.inputs = [node.input(0), nil, node.input(1)]
  node.attributes["coordinate_transformation_mode"] = .string("asymmetric")
  node.attributes["nearest_mode"] = .string(shrinks ? "ceil" : "floor")
}

/// Of opset 11 on: an empty region, scales or sizes is one that is left out.
func resizeInputs(_ node: ImportNode) throws {
  for i in 1..<max(node.inputs.count, 1) where node.input(i)?.fixedShape == [0] {
    node.inputs[i] = nil
  }
}
