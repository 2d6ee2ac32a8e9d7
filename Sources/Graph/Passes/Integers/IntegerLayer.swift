import ModelFormat

/// A Conv, MatMul or Gemm of dequantised tensors, as an operator of their integers.
struct IntegerLayer {
  private let node: Node
  private let editor: FunctionEditor
  private let place: Node
  private let x: IntegerSource
  private let w: IntegerSource
  /// int32, in steps of x scale · w scale; nil: none.
  private let bias: [Int32]?

  /// - Returns: nil where the node has no integer form.
  init?(_ node: Node, _ editor: FunctionEditor, before place: Node) {
    guard ["Conv", "MatMul", "Gemm"].contains(node.op),
      let x = IntegerSource(node, 0, editor), let w = IntegerSource(node, 1, editor),
      x.parameters.isForBytes, w.parameters.type == .int8 || w.parameters.type == .uint8,
      let weightShape = w.integers.shape
    else { return nil }
    self.node = node
    self.editor = editor
    self.place = place
    self.x = x
    self.w = w
    var bias: [Int32]?
    let axis = w.parameters.axis
    switch node.op {
    case "Conv":
      guard axis == nil || axis == 0, (3...5).contains(weightShape.count) else { return nil }
      if let b = node.input(2) {
        guard let rows = weightShape[0].fixed else { return nil }
        bias = IntegerLayer.bias(b, rows, x.parameters, w.parameters, editor)
        if bias == nil { return nil }
      }
    case "MatMul":
      guard axis == nil || (axis == 1 && weightShape.count == 2) else { return nil }
    default:
      let columns = node.int("transB", default: 0) == 0 ? 1 : 0
      let hasBias = node.input(2) != nil && node.float("beta", default: 1) != 0
      guard node.float("alpha", default: 1) == 1, node.int("transA", default: 0) == 0,
        weightShape.count == 2, axis == nil || axis == columns,
        w.integers.kind == .weight || (columns == 1 && !hasBias),
        !hasBias || node.float("beta", default: 1) == 1
      else { return nil }
      if hasBias {
        guard let units = weightShape[columns].fixed else { return nil }
        bias = IntegerLayer.bias(node.input(2)!, units, x.parameters, w.parameters, editor)
        if bias == nil { return nil }
        if bias!.allSatisfy({ $0 == 0 }) { bias = nil }
      }
    }
    self.bias = bias
  }

  /// A bias in steps of the sums: the integers as they are where they have these, else rounded.
  private static func bias(
    _ b: Value, _ count: Int, _ x: LinearQuantization, _ w: LinearQuantization,
    _ editor: FunctionEditor
  ) -> [Int32]? {
    guard w.scales.count == 1 || w.scales.count == count else { return nil }
    func step(_ i: Int) -> Float { x.scales[0] * w.scales[w.scales.count == 1 ? 0 : i] }
    var floats: [Float]
    if b.hasRealFloats {
      floats = b.realFloats
    } else if let node = editor.producer(of: b), node.op == "DequantizeLinear",
      let own = LinearQuantization(node), let integers = node.input(0)?.smallIntegers,
      integers.count == 1 || integers.count == count,
      own.scales.count == 1 || own.scales.count == integers.count
    {
      func index(_ i: Int) -> Int { own.scales.count == 1 ? 0 : i }
      if integers.count == count, own.zeros.allSatisfy({ $0 == 0 }),
        (0..<count).allSatisfy({ abs(own.scales[index($0)] - step($0)) <= 1e-6 * step($0) })
      {
        return integers
      }
      floats = integers.indices.map {
        Float(Double(integers[$0]) - Double(own.zeros[index($0)])) * own.scales[index($0)]
      }
    } else {
      return nil
    }
    if floats.count == 1 { floats = [Float](repeating: floats[0], count: count) }
    // One number a column, not one a row.
    guard floats.count == count, (b.shape?.last ?? 1).fixed == count || b.count == 1 else {
      return nil
    }
    var result: [Int32] = []
    for (i, value) in floats.enumerated() {
      let q = (Double(value) / Double(step(i))).rounded(.toNearestOrEven)
      guard abs(q) < 0x1p30 else { return nil }
      result.append(Int32(q))
    }
    return result
  }

  // MARK: Rewriting

  /// Adds what writes the integers of the layer's output.
  func emit(_ result: LinearQuantization, into y: Value) {
    let input = x.take(before: place)
    let weights = w.take(before: place)
    func add(
      _ op: String, _ inputs: [Value?], _ output: Value, _ attributes: [String: Attribute] = [:]
    ) {
      // The name is the layer's alone.
      let isLayer = op.hasPrefix("QLinear")
      let name = isLayer || node.name.isEmpty ? node.name : node.name + "." + op.lowercased()
      editor.insert(
        Node(op, name: name, inputs: inputs, outputs: [output], attributes: attributes),
        before: place)
    }
    func layer(_ op: String, _ input: Value, _ weights: Value, _ output: Value) {
      var inputs: [Value?] = [
        input, x.parameters.scale, x.parameters.zero, weights, w.parameters.scale,
        w.parameters.zero, result.scale, result.zero,
      ]
      if let bias {
        let name = node.input(2)?.name ?? node.name + ".bias"
        inputs.append(
          Value(
            name, .int32, [.fixed(bias.count)], kind: .weight,
            bytes: bias.withUnsafeBytes { [UInt8]($0) }))
      }
      var attributes: [String: Attribute] = [:]
      if op == "QLinearConv" && node.op == "Conv" {
        attributes = node.attributes.filter { !$0.key.hasPrefix("activation_") }
      }
      add(op, inputs, output, attributes)
    }
    guard node.op == "Gemm" else {
      return layer(node.op == "Conv" ? "QLinearConv" : "QLinearMatMul", input, weights, y)
    }
    let isTransposed = node.int("transB", default: 0) != 0
    guard bias != nil else {
      return layer(
        "QLinearMatMul", input, isTransposed ? weights.transposedBytes : weights, y)
    }
    // ONNX's integer product of matrices has no bias: a convolution over one position has.
    let rows = isTransposed ? weights : weights.transposedBytes
    let axes = Value(node.name + ".axes", [1], integers: [2])
    let one: [Dimension] = [1]
    let image = Value(
      node.name + ".image", x.parameters.type, input.shape.map { $0 + one })
    let sums = Value(node.name + ".rows", result.type, y.shape.map { $0 + one })
    add("Unsqueeze", [input, axes], image)
    layer(
      "QLinearConv", image,
      Value(
        rows.name, rows.dataType, (rows.shape ?? []) + one, kind: .weight, bytes: rows.bytes),
      sums)
    add("Squeeze", [sums, axes], y)
  }
}

/// The integers behind an input of a layer.
struct IntegerSource {
  let integers: Value
  let parameters: LinearQuantization
  /// What lies between the DequantizeLinear and the layer, to be done with the integers.
  private let way: (value: Value, node: Node, editor: FunctionEditor)?

  /// - Returns: nil where the input was not dequantised, or something inexact happened to it since.
  init?(_ node: Node, _ i: Int, _ editor: FunctionEditor) {
    guard let value = node.input(i) else { return nil }
    // Up along what is moved, to where the parameters are.
    var source = value
    while let producer = editor.producer(of: source), IntegerRewrite.isExact(producer) {
      guard let next = producer.inputs.first ?? nil else { return nil }
      source = next
    }
    guard let last = editor.producer(of: source), let parameters = LinearQuantization(last),
      let q = last.input(0)
    else { return nil }
    self.parameters = parameters
    if source === value {
      integers = q
      way = nil
      return
    }
    guard parameters.isForBytes, q.kind != .weight else { return nil }
    let rewrite = IntegerRewrite(editor, parameters, before: node, for: node)
    guard rewrite.isPossible(value) else { return nil }
    integers = value
    way = (value, node, editor)
  }

  /// The integers, after what has to be done with them.
  func take(before place: Node) -> Value {
    guard let (value, node, editor) = way else { return integers }
    let rewrite = IntegerRewrite(editor, parameters, before: place, for: node)
    return rewrite.isPossible(value) ? rewrite.perform(value) : integers
  }
}

extension Value {
  /// A constant matrix of bytes the other way round.
  fileprivate var transposedBytes: Value {
    guard let shape = fixedShape, shape.count == 2 else { return self }
    let (rows, columns) = (shape[0], shape[1])
    var result = [UInt8](repeating: 0, count: bytes.count)
    for i in 0..<rows {
      for j in 0..<columns { result[j * rows + i] = bytes[i * columns + j] }
    }
    return Value(name, dataType, [.fixed(columns), .fixed(rows)], kind: .weight, bytes: result)
  }
}
