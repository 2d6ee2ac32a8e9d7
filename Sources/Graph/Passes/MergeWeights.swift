import ModelFormat

/// Weights that are equal are merged once all else is done: until then it matters which of them only
/// one node reads. Weights that training may change stay apart.
let mergeWeights = GraphPass(
  "merge-weights", "Store equal weights once", isLast: true
) { editor in
  var contents = WeightContents(limit: .max)
  var first: [Int: Value] = [:]
  // The other functions' weights count too: the first in the graph is the one that stays.
  for value in editor.graph.weights where !value.isTrainable {
    let number = contents.number(value)
    if first[number] == nil { first[number] = value }
  }
  var count = 0
  var seen: Set<ObjectIdentifier> = []
  for node in editor.nodes {
    for case let value? in node.inputs where value.kind == .weight && !value.isTrainable {
      guard let same = first[contents.number(value)], same !== value,
        seen.insert(ObjectIdentifier(value)).inserted
      else { continue }
      if editor.replace(value, with: same) { count += 1 }
    }
  }
  return count
}
