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

/// Gives values numbers; equal weights get the same.
struct WeightContents {
  private struct Content: Hashable {
    let type: UInt8
    let shape: [Int]
    let bytes: [UInt8]
    let scales: [Float]
    let zeroPoints: [Int32]
    let axis: Int

    init(_ value: Value) {
      type = value.dataType.rawValue
      shape = value.fixedShape ?? []
      bytes = value.bytes
      scales = value.quantization?.scales ?? []
      zeroPoints = value.quantization?.zeroPoints ?? []
      axis = value.quantization?.axis ?? -1
    }

    /// Large weights differ early or in size: few are compared byte by byte.
    func hash(into hasher: inout Hasher) {
      hasher.combine(type)
      hasher.combine(shape)
      hasher.combine(bytes.count)
      bytes.prefix(256).withUnsafeBytes { hasher.combine(bytes: $0) }
    }
  }

  private var numbers: [ObjectIdentifier: Int] = [:]
  private var contents: [Content: Int] = [:]
  private var kept: [Value] = []
  private let limit: Int

  /// - Parameter limit: Weights of more bytes are equal only to themselves.
  init(limit: Int) { self.limit = limit }

  mutating func number(_ value: Value) -> Int {
    if let number = numbers[ObjectIdentifier(value)] { return number }
    var number = kept.count
    if value.kind == .weight, !value.isTrainable, value.bytes.count <= limit {
      let content = Content(value)
      if let known = contents[content] { number = known } else { contents[content] = number }
    }
    numbers[ObjectIdentifier(value)] = number
    kept.append(value)
    return number
  }
}
