import ModelFormat

/// Tables behind each other are one; so are a table and the product of what it reads and what it
/// writes, as in x · Sigmoid(x).
func mergeLookups(_ editor: FunctionEditor) -> Int {
  var count = 0
  for node in editor.nodes where !editor.isRemoved(node) {
    let merged: Node? =
      switch node.op {
      case "QLinearLookup": merge(node, editor)
      case "QLinearMul": mergeProduct(node, editor)
      default: nil
      }
    guard let merged else { continue }
    // The lower table goes where nobody reads it any more.
    editor.replace(node, with: merged)
    count += 1
  }
  return count
}

/// A QLinearLookup that passes made or an importer did.
private struct Lookup {
  let x: Value
  let from: LinearQuantization
  let to: LinearQuantization
  let function: ByteFunction
  let table: [UInt8]

  init?(_ node: Node?) {
    guard let node, node.op == "QLinearLookup", let x = node.input(0), let y = node.outputs[0],
      let from = LinearQuantization(x.dataType, node.input(1), node.input(2)),
      let to = LinearQuantization(y.dataType, node.input(4), node.input(5)),
      let function = ByteFunction(node), let table = node.input(3), table.kind == .weight,
      table.bytes.count == 256
    else { return nil }
    self.x = x
    self.from = from
    self.to = to
    self.function = function
    self.table = table.bytes
  }

  /// The end of the function, where another goes on with its result; that has to be of x's type.
  var end: ByteFunction.Step? {
    from.type == to.type
      ? ByteFunction.Step("QuantizeLinear", to.scales[0], Float(to.zeros[0])) : nil
  }
}

private func merge(_ node: Node, _ editor: FunctionEditor) -> Node? {
  guard let upper = Lookup(node), let lower = Lookup(editor.exclusiveProducer(of: node.input(0))),
    let end = lower.end, lower.to.isSame(as: upper.from),
    // Those refer to the first number.
    !upper.function.steps.contains(where: { $0.op == "QLinearMul" })
  else { return nil }
  return ByteFunction(lower.function.steps + [end] + upper.function.steps).lookup(
    name: node.name, lower.x, lower.from, upper.to,
    lower.table.map { upper.table[Int($0)] }, into: node.outputs[0]!)
}

/// a · f(a) or f(a) · a
private func mergeProduct(_ node: Node, _ editor: FunctionEditor) -> Node? {
  guard let y = node.outputs[0],
    let to = LinearQuantization(y.dataType, node.input(6), node.input(7))
  else { return nil }
  for (a, b) in [(0, 3), (3, 0)] {
    guard let lower = Lookup(editor.exclusiveProducer(of: node.input(b))), let end = lower.end,
      let x = node.input(a), x === lower.x,
      let own = LinearQuantization(x.dataType, node.input(a + 1), node.input(a + 2)),
      own.isSame(as: lower.from),
      let other = LinearQuantization(x.dataType, node.input(b + 1), node.input(b + 2)),
      other.isSame(as: lower.to), to.type == x.dataType
    else { continue }
    let function = ByteFunction(lower.function.steps + [end, ByteFunction.Step("QLinearMul")])
    return function.lookup(name: node.name, x, lower.from, to, into: y)
  }
  return nil
}
