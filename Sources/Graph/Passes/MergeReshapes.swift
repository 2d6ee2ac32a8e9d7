import ModelFormat

/// Reshape, Flatten, Squeeze and Unsqueeze in a row are one Reshape, or nothing where the shape comes
/// out as it went in.
let mergeReshapes = GraphPass(
  "merge-reshapes", "Make one of Reshape, Flatten, Squeeze and Unsqueeze in a row, or none"
) { editor in
  var count = 0
  for node in editor.nodes where reshapes.contains(node.op) {
    guard let x = node.input(0), let y = node.outputs[0] else { continue }
    if hasSameElements(x, y), editor.replace(y, with: x) {
      editor.remove(node)
      count += 1
      continue
    }
    guard let inner = editor.producer(of: x), reshapes.contains(inner.op),
      let start = inner.input(0), let shape = shapeConstant(from: start, to: y)
    else { continue }
    editor.replace(
      node, with: Node("Reshape", name: node.name, inputs: [start, shape], outputs: [y]))
    count += 1
  }
  return count
}

private let reshapes: Set<String> = ["Reshape", "Flatten", "Squeeze", "Unsqueeze"]

/// Whether a tensor and what a Reshape makes of it certainly have the same shape. One free dimension
/// follows from the number of elements.
private func hasSameElements(_ x: Value, _ y: Value) -> Bool {
  guard let a = x.knownShape, let b = y.knownShape, a.count == b.count else { return false }
  if isSame(a, b) { return true }
  let free = a.indices.filter { a[$0].fixed == nil || b[$0].fixed == nil }
  return free.count == 1 && a.indices.allSatisfy { free.contains($0) || a[$0] == b[$0] }
    && !a.contains(0)
}

/// The input of a Reshape that makes `y` of `x`; nil where there is none that fits all sizes.
func shapeConstant(from x: Value, to y: Value) -> Value? {
  guard let source = x.knownShape, let target = y.knownShape, !target.contains(0) else {
    return nil
  }
  var isInferred = false
  var list: [Int] = []
  for (i, dimension) in target.enumerated() {
    switch dimension {
    case .fixed(let d): list.append(d)
    case .free(let name):
      if !name.isEmpty, i < source.count, source[i] == dimension {
        list.append(0)
      } else if !isInferred {
        isInferred = true
        list.append(-1)
      } else {
        return nil
      }
    }
  }
  return Value((y.name.isEmpty ? "reshape" : y.name) + ".shape", [list.count], integers: list)
}
