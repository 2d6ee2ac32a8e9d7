import ModelFormat

/// Operators of one number after each other, from a dequantised tensor to a value: a function of
/// which a table has all results.
struct IntegerTable {
  private let function: ByteFunction
  private let source: IntegerSource
  private let name: String

  /// - Returns: nil where the value is nothing like that.
  init?(_ value: Value, _ editor: FunctionEditor) {
    guard let (first, input, steps) = IntegerTable.chain(value, editor, depth: 16),
      let source = IntegerSource(first, input, editor), source.parameters.isForBytes
    else { return nil }
    function = ByteFunction(steps)
    self.source = source
    name = editor.producer(of: value)?.name ?? value.name
  }

  /// The first node of the chain, which of its inputs is the tensor, and all steps.
  private static func chain(
    _ value: Value, _ editor: FunctionEditor, depth: Int
  ) -> (Node, Int, [ByteFunction.Step])? {
    guard depth > 0, let node = editor.producer(of: value), node.outputs.count == 1,
      value.logicalType == .float32
    else { return nil }
    if node.op == "Mul", let product = product(node, editor, depth) { return product }
    guard let (own, i) = ByteFunction.steps(node, editor), let x = node.input(i) else { return nil }
    guard let (first, input, steps) = chain(x, editor, depth: depth - 1) else {
      return (node, i, own)
    }
    // x in x · f(x) is what was dequantised.
    return own.contains { $0.op == "Product" } ? nil : (first, input, steps + own)
  }

  /// x · f(x)
  private static func product(
    _ node: Node, _ editor: FunctionEditor, _ depth: Int
  ) -> (Node, Int, [ByteFunction.Step])? {
    for i in 0...1 {
      guard let x = node.input(i), let other = node.input(1 - i),
        editor.producer(of: x)?.op == "DequantizeLinear"
      else { continue }
      if other === x { return (node, 0, [ByteFunction.Step("Product")]) }
      if let (first, input, steps) = chain(other, editor, depth: depth - 1),
        first.input(input) === x
      {
        return (first, input, steps + [ByteFunction.Step("Product")])
      }
    }
    return nil
  }

  var parameters: LinearQuantization { source.parameters }

  /// Whether it does no more than to cut.
  var isClip: Bool { function.steps.allSatisfy { $0.op == "Relu" || $0.op == "Clip" } }

  func emit(
    _ result: LinearQuantization, into y: Value, before place: Node, _ editor: FunctionEditor
  ) {
    let x = source.take(before: place)
    editor.insert(
      function.lookup(name: name, x, source.parameters, result, into: y), before: place)
  }
}
