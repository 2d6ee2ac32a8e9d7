/// y = x: Identity, and Dropout in a network that is not trained.
let removeIdentities = GraphPass(
  "remove-identities", "Leave out Identity and Dropout"
) { editor in
  var count = 0
  for node in editor.nodes where node.op == "Identity" || node.op == "Dropout" {
    guard let x = node.input(0), let y = node.outputs[0],
      node.outputs.dropFirst().allSatisfy({ $0 == nil || editor.readers(of: $0!).isEmpty }),
      editor.replace(y, with: x)
    else { continue }
    editor.remove(node)
    count += 1
  }
  return count
}
