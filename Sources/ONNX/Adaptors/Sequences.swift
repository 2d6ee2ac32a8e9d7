import Graph
import ModelFormat

// Sequences of tensors exist while a model is imported only: a list whose length the importer knows,
// or what a Loop has appended to, which is one tensor with an element of each iteration along axis 0.

enum TensorSequence {
  case list([Value])
  case stacked(Value)
}

let sequenceOperators: [(String, (ImportNode) throws -> Void)] = [
  ("SequenceEmpty", { try produce(.list([]), $0) }),
  ("SequenceConstruct", { node in try produce(.list(node.inputs.compactMap { $0 }), node) }),
  ("SequenceInsert", sequenceInsert), ("SequenceErase", sequenceErase),
  ("SequenceAt", sequenceAt), ("SequenceLength", sequenceLength),
  ("SplitToSequence", splitToSequence), ("ConcatFromSequence", concatFromSequence),
]

private func produce(_ sequence: TensorSequence, _ node: ImportNode) throws {
  node.replace(with: node.owner.stand(for: sequence, named: node.output(0)?.name ?? node.name))
}

private func sequence(_ node: ImportNode) throws -> TensorSequence {
  guard let result = node.owner.sequence(node.input(0)) else {
    throw NodeProblem(
      "input 0 is no sequence of which the importer knows the tensors",
      instead: "export with tensors in place of sequences (stack or concatenate them)")
  }
  return result
}

private func list(_ node: ImportNode) throws -> [Value] {
  guard case .list(let values) = try sequence(node) else {
    throw NodeProblem(
      "input 0 is a sequence that a Loop made", instead: "only concatenate or index such a sequence")
  }
  return values
}

/// The position that input `i` gives, of `count`; the last without it.
private func place(_ node: ImportNode, _ i: Int, count: Int, default last: Int) throws -> Int {
  if node.input(i) == nil { return last }
  guard let position = node.constantInts(i)?.first else {
    throw NodeProblem("its position is no constant", instead: "stack the tensors and use Gather")
  }
  let at = position < 0 ? position + count : position
  guard (0...count).contains(at) else {
    throw NodeProblem("position \(position) does not exist in a sequence of \(count)")
  }
  return at
}

private func sequenceInsert(_ node: ImportNode) throws {
  var values = try list(node)
  guard let value = node.input(1) else { throw NodeProblem("its tensor is missing") }
  values.insert(value, at: try place(node, 2, count: values.count, default: values.count))
  try produce(.list(values), node)
}

private func sequenceErase(_ node: ImportNode) throws {
  var values = try list(node)
  let at = try place(node, 1, count: values.count, default: values.count - 1)
  guard values.indices.contains(at) else { throw NodeProblem("there is nothing at \(at)") }
  values.remove(at: at)
  try produce(.list(values), node)
}

private func sequenceAt(_ node: ImportNode) throws {
  switch try sequence(node) {
  case .list(let values):
    let at = try place(node, 1, count: values.count, default: 0)
    guard values.indices.contains(at) else { throw NodeProblem("there is nothing at \(at)") }
    node.replace(with: values[at])
  case .stacked(let value):
    node.replace(with: node.emit("Gather", [value, node.input(1)], ["axis": .int(0)]))
  }
}

private func sequenceLength(_ node: ImportNode) throws {
  switch try sequence(node) {
  case .list(let values):
    node.replace(with: Value(node.output(0)?.name ?? node.name, [], integers: [values.count]))
  case .stacked(let value):
    let shape = node.emit("Shape", [value])
    let first = Value(node.name + ".first", [], integers: [0])
    node.replace(with: node.emit("Gather", [shape, first], ["axis": .int(0)]))
  }
}

private func splitToSequence(_ node: ImportNode) throws {
  guard let x = node.input(0), let shape = x.shape else {
    throw NodeProblem("the shape of input 0 is not known")
  }
  let axis = node.int("axis") ?? 0
  let at = axis < 0 ? axis + shape.count : axis
  guard shape.indices.contains(at) else { throw NodeProblem("there is no axis \(axis)") }
  guard let length = shape[at].fixed, !x.isBound else {
    throw NodeProblem(
      "how many tensors it makes depends on a size that is not known",
      instead: "bind the input's dimension with --input-shape")
  }
  var lengths = [Int](repeating: 1, count: length)
  let isSplit = node.input(1) != nil
  if isSplit {
    guard let given = node.constantInts(1) else { throw NodeProblem("its split is no constant") }
    lengths = given
    if node.input(1)?.shape?.isEmpty ?? false, let each = given.first, each > 0 {
      lengths = stride(from: 0, to: length, by: each).map { min(each, length - $0) }
    }
  }
  guard !lengths.isEmpty else { return try produce(.list([]), node) }
  let parts = lengths.indices.map { Value("\(node.name).\($0)") }
  let split = Value(node.name + ".lengths", [lengths.count], integers: lengths)
  let pieces = node.owner.emit(
    Node(
      "Split", name: node.name, inputs: [x, split], outputs: parts, attributes: ["axis": .int(at)]))
  var values = zip(pieces, parts).map { $0 ?? $1 }
  if !isSplit, node.int("keepdims") ?? 1 == 0 {
    let axes = Value(node.name + ".axes", [1], integers: [at])
    values = values.enumerated().map { i, value in
      node.emit("Squeeze", [value, axes], suffix: ".\(i).Squeeze")
    }
  }
  try produce(.list(values), node)
}

private func concatFromSequence(_ node: ImportNode) throws {
  let axis = node.int("axis") ?? 0
  let isNew = node.int("new_axis") ?? 0 != 0
  switch try sequence(node) {
  case .list(var values):
    guard !values.isEmpty else { throw NodeProblem("its sequence is empty") }
    if isNew {
      let axes = Value(node.name + ".axes", [1], integers: [axis])
      values = values.enumerated().map { i, value in
        node.emit("Unsqueeze", [value, axes], suffix: ".\(i).Unsqueeze")
      }
    }
    node.replace(with: node.emit("Concat", values, ["axis": .int(axis)]))
  case .stacked(let value):
    guard let shape = value.shape, shape.count > 1 || isNew else {
      throw NodeProblem("the shape of its tensors is not known")
    }
    let rank = isNew ? shape.count : shape.count - 1
    let at = axis < 0 ? axis + rank : axis
    guard (0..<rank).contains(at) else { throw NodeProblem("there is no axis \(axis)") }
    // The iterations' axis goes to where the tensors are joined.
    var order = Array(1..<shape.count)
    order.insert(0, at: at)
    let moved = at == 0 ? value : node.emit("Transpose", [value], ["perm": .ints(order)])
    if isNew { return node.replace(with: moved) }
    var target = Array(shape.dropFirst())
    target[at] = .fixed(-1)
    guard target.dropFirst(at).allSatisfy({ $0.fixed != nil }) else {
      throw NodeProblem(
        "the dimensions behind axis \(axis) are not known", instead: "bind them with --input-shape")
    }
    // 0 copies a dimension of the same position.
    let numbers = target.enumerated().map { $0 < at ? 0 : $1.fixed! }
    node.replace(
      with: node.emit("Reshape", [moved, Value(node.name + ".shape", [rank], integers: numbers)]))
  }
}

/// A Loop's sequences that start empty and get one tensor in each iteration, as scan outputs.
struct Accumulators {
  /// The graph without the sequences, and with their tensors at the end of its outputs.
  private(set) var graph: GraphProto
  /// Which of the carried values they are.
  private(set) var positions: [Int] = []

  init(_ node: ImportNode, _ graph: GraphProto) throws {
    self.graph = graph
    let carried = node.inputs.count - 2
    for k in 0..<max(carried, 0) {
      guard let sequence = node.owner.sequence(node.inputs[k + 2]) else { continue }
      guard case .list(let values) = sequence, values.isEmpty, k + 2 < graph.inputs.count,
        k + 1 < graph.outputs.count
      else { throw NodeProblem("it carries a sequence that is not empty at first") }
      let (entry, exit) = (graph.inputs[k + 2].name, graph.outputs[k + 1].name)
      guard
        let insert = graph.nodes.first(where: { $0.outputs.contains(exit) }),
        insert.op == "SequenceInsert", insert.inputs.count == 2, insert.inputs[0] == entry,
        graph.nodes.filter({ $0.inputs.contains(entry) || $0.inputs.contains(exit) }).count == 1
      else {
        throw NodeProblem(
          "it carries a sequence that it does not just append one tensor to",
          instead: "export with a tensor in place of the sequence")
      }
      self.graph.nodes.removeAll { $0.outputs.contains(exit) }
      self.graph.inputs.removeAll { $0.name == entry }
      self.graph.outputs.removeAll { $0.name == exit }
      self.graph.outputs.append(ValueInfoProto(name: insert.inputs[1]))
      positions.append(k)
    }
  }
}
