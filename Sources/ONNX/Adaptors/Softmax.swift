import Graph

/// Softmax, LogSoftmax and Hardmax before opset 13: over all dimensions from `axis` (1) on together,
/// as if they were one.
func coercedSoftmax(_ node: ImportNode) throws {
  guard let x = node.input(0), let shape = x.shape, let y = node.output(0) else {
    throw NodeProblem("the rank of its input is not known")
  }
  let axis = node.int("axis") ?? 1
  let first = axis < 0 ? axis + shape.count : axis
  guard (0...shape.count).contains(first) else {
    throw NodeProblem("axis \(axis) does not exist in a tensor of rank \(shape.count)")
  }
  // Dimensions of 1 behind the only one that is longer change nothing.
  let rest = shape[first...]
  if rest.count == 1 || (rest.count > 1 && rest.dropFirst().allSatisfy { $0 == .fixed(1) }) {
    node.attributes["axis"] = .int(first)
    return
  }
  if rest.count > 1, rest.dropLast().allSatisfy({ $0 == .fixed(1) }) {
    node.attributes["axis"] = .int(shape.count - 1)
    return
  }
  guard rest.filter({ $0.fixed == nil }).count <= 1 else {
    throw NodeProblem(
      "before opset 13 it takes the dimensions from axis \(first) on together, and several are free",
      instead: "bind --input-shape")
  }
  // A 0 keeps the dimension, a −1 is what the number of elements leaves.
  let kept = [Int](repeating: 0, count: first)
  let flat = node.emit(
    "Reshape", [x, Value(node.name + ".flat", [first + 1], integers: kept + [-1])],
    suffix: ".flattened")
  let soft = node.emit(node.op, [flat], ["axis": .int(first)], suffix: ".coerced")
  let back = kept + rest.map { $0.fixed ?? -1 }
  let result = Node(
    "Reshape", name: node.name,
    inputs: [soft, Value(node.name + ".shape", [back.count], integers: back)], outputs: [y])
  node.replace(with: node.owner.emit(result)[0] ?? y)
}
