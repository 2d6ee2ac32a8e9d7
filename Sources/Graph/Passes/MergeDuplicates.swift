import ModelFormat

/// Nodes that compute the same of the same are one.
let mergeDuplicates = GraphPass(
  "merge-duplicates", "Compute once what several nodes compute alike"
) { editor in
  var known: [NodeKey: Node] = [:]
  var contents = WeightContents(limit: 1 << 16)
  var count = 0
  for node in editor.nodes {
    guard let key = NodeKey(node, &contents) else { continue }
    guard let first = known[key] else {
      known[key] = node
      continue
    }
    if merge(node, into: first, editor) { count += 1 }
  }
  return count
}

private func merge(_ node: Node, into first: Node, _ editor: FunctionEditor) -> Bool {
  guard first.outputs.count == node.outputs.count else { return false }
  let pairs = zip(first.outputs, node.outputs)
  for case (let a?, let b?) in pairs where editor.isResult(a) && editor.isResult(b) {
    return false
  }
  for (i, (a, b)) in pairs.enumerated() {
    guard let b else { continue }
    if let a {
      editor.replace(b, with: a)
    } else {
      node.outputs[i] = nil
      editor.setOutput(i, of: first, to: b)
    }
  }
  editor.remove(node)
  return true
}

/// Equal for nodes of the same operator, attributes and inputs.
private struct NodeKey: Hashable {
  private let operation: String
  private let inputs: [Int]

  /// nil for a node with bodies.
  init?(_ node: Node, _ contents: inout WeightContents) {
    var text = node.op
    for (name, value) in node.attributes.sorted(by: { $0.key < $1.key }) {
      if case .function = value { return nil }
      text += "|\(name)=\(value)"
    }
    operation = text
    inputs = node.inputs.map { $0.map { contents.number($0) } ?? -1 }
  }
}
