/// Nodes, and optional outputs, whose results nobody uses.
let removeUnused = GraphPass(
  "remove-unused", "Leave out nodes whose results nobody uses"
) { editor in
  var count = 0
  // From the end, so that what only a dead node reads is dead when its turn comes.
  for node in editor.nodes.reversed() {
    let isUsed = node.outputs.contains {
      $0.map { editor.isResult($0) || !editor.readers(of: $0).isEmpty } ?? false
    }
    if !isUsed {
      editor.remove(node)
      count += 1
      continue
    }
    for i in node.outputs.indices {
      guard let output = node.outputs[i], !editor.isResult(output),
        editor.readers(of: output).isEmpty
      else { continue }
      editor.dropOutput(i, of: node)
      count += 1
    }
  }
  return count
}
