/// Nodes, and optional outputs, whose results nobody uses; what bodies capture and do not read.
let removeUnused = GraphPass(
  "remove-unused", "Leave out nodes and captures that nobody uses"
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
    count += removeCaptures(node, editor)
  }
  return count
}

/// Takes out the captures of an If, Loop or Scan that none of its bodies reads.
private func removeCaptures(_ node: Node, _ editor: FunctionEditor) -> Int {
  guard let control = node.definition?.control else { return 0 }
  let own = control == .branch ? 1 : node.inputs.count - node.int("captures", default: 0)
  let bodies = node.attributes.values.compactMap { attribute -> Function? in
    if case .function(let body) = attribute { body } else { nil }
  }
  let captures = node.inputs.count - own
  guard captures > 0, own >= 0, bodies.allSatisfy({ $0.inputs.count >= captures }) else {
    return 0
  }
  let read = bodies.map(\.readValues)
  var count = 0
  for i in (own..<node.inputs.count).reversed() {
    /// Captures are a body's last inputs.
    func place(_ body: Function) -> Int { body.inputs.count - (node.inputs.count - i) }
    let isRead = zip(bodies, read).contains { body, read in
      read.contains(ObjectIdentifier(body.inputs[place(body)]))
    }
    if isRead || !bodies.allSatisfy(editor.isOwned) { continue }
    for body in bodies { body.inputs.remove(at: place(body)) }
    editor.removeInput(i, of: node)
    count += 1
  }
  if count > 0, control != .branch { node.attributes["captures"] = .int(captures - count) }
  return count
}

extension Function {
  /// What nodes read, and what is needed after them.
  fileprivate var readValues: Set<ObjectIdentifier> {
    var result = Set(outputs.map { ObjectIdentifier($0) })
    for update in stateUpdates { result.insert(ObjectIdentifier(update.next)) }
    for node in nodes {
      for case let input? in node.inputs { result.insert(ObjectIdentifier(input)) }
    }
    return result
  }
}
