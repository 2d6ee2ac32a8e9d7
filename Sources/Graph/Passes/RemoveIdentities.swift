import ModelFormat

/// y = x: Identity, Dropout in a network that is not trained, and nodes that happen to change
/// nothing.
let removeIdentities = GraphPass(
  "remove-identities", "Leave out what changes nothing: Identity, Dropout, x · 1, a Cast to x's type"
) { editor in
  var count = 0
  for node in editor.nodes {
    guard let y = node.outputs.first ?? nil,
      node.outputs.dropFirst().allSatisfy({ $0 == nil || editor.readers(of: $0!).isEmpty }),
      !node.outputs.dropFirst().contains(where: { $0.map(editor.isResult) ?? false }),
      let x = source(of: node), editor.replace(y, with: x)
    else { continue }
    editor.remove(node)
    count += 1
  }
  return count
}

/// The input that the node passes on as it is.
private func source(of node: Node) -> Value? {
  guard let x = node.input(0) else { return nil }
  switch node.op {
  case "Identity", "Dropout": return x
  case "Cast": return node.outputs[0]?.dataType == x.logicalType ? x : nil
  case "Concat", "Sum", "Mean", "Max", "Min": return node.inputs.count == 1 ? x : nil
  case "Clip":
    return node.inputs.dropFirst().allSatisfy { $0 == nil } ? x : nil
  case "Pad":
    guard let pads = node.input(1), pads.kind == .weight, pads.dataType == .int64,
      pads.integers.allSatisfy({ $0 == 0 })
    else { return nil }
    return x
  case "Slice":
    if let steps = node.input(4) {
      guard steps.kind == .weight, steps.integers.allSatisfy({ $0 == 1 }) else { return nil }
    }
    return hasSameShape(node, x) ? x : nil
  case "Expand", "Tile": return hasSameShape(node, x) ? x : nil
  case "Transpose":
    return node.ints("perm").map { $0 == Array(0..<$0.count) } ?? false ? x : nil
  case "Mul": return neutral(node, 1, eitherSide: true)
  case "Div": return neutral(node, 1, eitherSide: false)
  case "Add": return neutral(node, 0, eitherSide: true)
  case "Sub": return neutral(node, 0, eitherSide: false)
  default: return nil
  }
}

/// The operand beside a constant that is nothing but `number`, where the result is of its shape.
private func neutral(_ node: Node, _ number: Float, eitherSide: Bool) -> Value? {
  for (i, j) in eitherSide ? [(0, 1), (1, 0)] : [(0, 1)] {
    guard let x = node.input(i), let c = node.input(j), c.hasRealFloats, x.kind != .weight,
      (c.count ?? 0) > 0, hasSameShape(node, x) || isScalar(c)
    else { continue }
    if c.realFloats.allSatisfy({ $0 == number }) { return x }
  }
  return nil
}

/// Broadcasting it changes no shape.
private func isScalar(_ value: Value) -> Bool { value.shape?.isEmpty ?? false }

/// Whether the node's result certainly has the shape of `x`.
private func hasSameShape(_ node: Node, _ x: Value) -> Bool {
  guard let shape = x.knownShape, let result = node.outputs[0]?.knownShape else { return false }
  return isSame(shape, result)
}

/// Whether two shapes certainly agree: free dimensions without a name may differ.
func isSame(_ a: [Dimension], _ b: [Dimension]) -> Bool {
  a == b && !a.contains(.free(""))
}
