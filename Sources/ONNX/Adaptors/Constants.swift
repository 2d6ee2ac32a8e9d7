import Graph
import ModelFormat

// What is known before the model runs becomes a weight.

func constant(_ node: ImportNode) throws {
  let name = node.output(0)?.name ?? node.name
  guard let (key, value) = node.attributes.first, node.attributes.count == 1 else {
    throw NodeProblem("it must have one attribute that holds its value")
  }
  switch value {
  case .tensor(var tensor):
    tensor.name = name
    node.replace(with: try node.owner.importer.tensors.weight(tensor))
  case .float(let v): node.replace(with: Value(name, [], floats: [v]))
  case .floats(let v): node.replace(with: Value(name, [v.count], floats: v))
  case .int(let v): node.replace(with: Value(name, [], integers: [v]))
  case .ints(let v): node.replace(with: Value(name, [v.count], integers: v))
  default:
    throw NodeProblem(
      "its attribute \(key) is \(value.kind)", instead: "only dense tensors of numbers can be held")
  }
}

/// One number, repeated. It becomes input 1, since the file has no tensors in attributes. A large
/// tensor stays a node, which takes no room in the file.
func constantOfShape(_ node: ImportNode) throws {
  var fill = Value(node.name + ".value", [1], floats: [0])
  if case .tensor(var tensor)? = node.attributes["value"] {
    tensor.name = fill.name
    fill = try node.owner.importer.tensors.weight(tensor)
    guard fill.count == 1 else {
      throw NodeProblem("its value has \(fill.count ?? 0) elements and must have one")
    }
  }
  node.drop("value")
  node.setInput(1, fill)
}

/// The dimensions from `start` to `end`, where they are fixed; else the runtime computes them.
func shapeOfFixed(_ node: ImportNode) throws {
  guard let x = node.input(0), node.owner.isKnown(x), !x.isBound, let shape = x.shape else {
    return
  }
  func clamped(_ i: Int) -> Int { min(max(i < 0 ? i + shape.count : i, 0), shape.count) }
  let start = clamped(node.int("start") ?? 0)
  let end = clamped(node.int("end") ?? shape.count)
  let part = shape[start..<max(start, end)]
  let fixed = part.compactMap(\.fixed)
  guard fixed.count == part.count else { return }
  node.replace(with: Value(node.output(0)?.name ?? node.name, [fixed.count], integers: fixed))
}

func sizeOfFixed(_ node: ImportNode) throws {
  guard let x = node.input(0), node.owner.isKnown(x), !x.isBound, let count = x.count else {
    return
  }
  node.replace(with: Value(node.output(0)?.name ?? node.name, [], integers: [count]))
}

/// Another name for the same tensor.
func identity(_ node: ImportNode) throws {
  guard let x = node.input(0) else { throw NodeProblem("its input is missing") }
  node.replace(with: x)
}
