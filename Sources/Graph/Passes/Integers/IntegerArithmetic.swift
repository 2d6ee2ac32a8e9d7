import ModelFormat

/// A sum, product or mean of dequantised tensors, as an operator of their integers.
struct IntegerArithmetic {
  private let node: Node
  private let editor: FunctionEditor
  private let op: String
  private let sources: [IntegerSource]
  /// Means: the axes to drop that are 1 then.
  private var dropped: [Int] = []

  /// - Returns: nil where the node has no such form with a result like that.
  init?(_ node: Node, _ editor: FunctionEditor, _ result: LinearQuantization) {
    self.node = node
    self.editor = editor
    var count = 1
    switch node.op {
    case "Add", "Mul":
      op = "QLinear" + node.op
      count = 2
    case "AveragePool": op = "QLinearAveragePool"
    case "GlobalAveragePool": op = "QLinearGlobalAveragePool"
    case "ReduceMean":
      op = "QLinearGlobalAveragePool"
      guard let rank = node.input(0)?.shape?.count, rank > 2,
        let axes = node.input(1)?.constantIntegers,
        Set(axes.map { $0 < 0 ? $0 + rank : $0 }) == Set(2..<rank)
      else { return nil }
      if node.int("keepdims", default: 1) == 0 { dropped = Array(2..<rank) }
    default: return nil
    }
    var sources: [IntegerSource] = []
    for i in 0..<count {
      guard let source = IntegerSource(node, i, editor), source.parameters.isForBytes,
        // A constant can be of either type.
        source.parameters.type == result.type || source.integers.kind == .weight
      else { return nil }
      sources.append(source)
    }
    self.sources = sources
  }

  /// Adds what writes the integers of the result.
  func emit(_ result: LinearQuantization, into y: Value, before place: Node) {
    var inputs: [Value?] = []
    for source in sources {
      let (x, p) = source.take(before: place).retyped(source.parameters, to: result.type)
      inputs += [x, p.scale, p.zero]
    }
    inputs += [result.scale, result.zero]
    let means = dropped.isEmpty
      ? y
      : Value(
        node.name + ".mean", result.type,
        node.input(0)?.shape?.enumerated().map { dropped.contains($0) ? 1 : $1 })
    editor.insert(
      Node(
        op, name: node.name, inputs: inputs, outputs: [means],
        attributes: op == "QLinearAveragePool" ? node.attributes : [:]),
      before: place)
    if dropped.isEmpty { return }
    let axes = Value(node.name + ".axes", [dropped.count], integers: dropped)
    editor.insert(
      Node("Squeeze", name: node.name + ".squeeze", inputs: [means, axes], outputs: [y]),
      before: place)
  }
}

extension Value {
  /// The same numbers as bytes of another type, where they are a constant.
  func retyped(
    _ parameters: LinearQuantization, to type: DataType
  ) -> (Value, LinearQuantization) {
    guard parameters.type != type, kind == .weight else { return (self, parameters) }
    let other = Value(name, type, shape, kind: .weight, bytes: bytes.map { $0 ^ 0x80 })
    return (other, parameters.retyped(type))
  }
}
