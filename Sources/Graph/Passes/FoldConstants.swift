/// What depends on weights alone becomes a weight.
let foldConstants = GraphPass(
  "fold-constants", "Compute what depends on weights and constants alone"
) { editor in
  var count = 0
  for node in editor.nodes {
    let outputs = node.outputs.compactMap { $0 }
    // The constant takes the room of those that nothing else reads, and not much more.
    let freed = node.inputs.reduce(0) { bytes, input in
      input.map { editor.isOwned($0) ? bytes + $0.bytes.count : bytes } ?? bytes
    }
    guard !outputs.contains(where: editor.isResult),
      let constants = ConstantEvaluator.evaluate(node, within: freed + 4096)
    else { continue }
    for (output, constant) in zip(node.outputs, constants) {
      guard let output, let constant else { continue }
      constant.isTrainable = node.inputs.contains { $0?.isTrainable ?? false }
      editor.replace(output, with: constant)
    }
    editor.remove(node)
    count += 1
  }
  return count
}
