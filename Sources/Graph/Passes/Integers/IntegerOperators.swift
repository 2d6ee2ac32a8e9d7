import ModelFormat

/// DequantizeLinear → layer → QuantizeLinear becomes the layer in integers.
///
/// - Conv, MatMul and Gemm become QLinearConv and QLinearMatMul.
/// - Sums, products and means become QLinearAdd, QLinearMul, QLinearAveragePool and
///   QLinearGlobalAveragePool; a Concat of other scales than its result's QLinearConcat.
/// - Operators of one number, those of a number and a constant among them, become QLinearLookup, as
///   many of them as there are after each other; so does x · f(x).
/// - What only moves elements, or picks the largest, works on the integers as it is.
/// - Relu and Clip go where the integers' range clips already; else they clip the integers.
/// - A QuantizeLinear that undoes a DequantizeLinear goes with it; one of another scale becomes a
///   QLinearLookup.
///
/// - So does a Resize between pixels along axes that the runtime knows, which rounds once more.
///
/// What has no integer operator (Softmax, a cubic Resize …) stays between its pair.
let integerOperators = GraphPass(
  "integer-operators", "Compute quantised layers in integers"
) { editor in
  var count = mergeQuantizers(editor)
  for node in editor.nodes where node.op == "QuantizeLinear" && !editor.isRemoved(node) {
    guard let x = node.input(0), x.logicalType == .float32, let y = node.outputs[0],
      let parameters = LinearQuantization(node), parameters.isForBytes
    else { continue }
    let rewrite = IntegerRewrite(editor, parameters, before: node)
    guard rewrite.isPossible(x) else { continue }
    rewrite.perform(x, writing: y)
    count += 1
  }
  return count + mergeLookups(editor)
}

/// Of nodes that quantise the same tensor in the same way one is enough.
private func mergeQuantizers(_ editor: FunctionEditor) -> Int {
  var count = 0
  for node in editor.nodes where node.op == "QuantizeLinear" && !editor.isRemoved(node) {
    guard let x = node.input(0), let y = node.outputs[0], let parameters = LinearQuantization(node)
    else { continue }
    for other in editor.readers(of: x) where other !== node && other.op == "QuantizeLinear" {
      guard let copy = other.outputs[0], !editor.isResult(copy),
        LinearQuantization(other)?.isSame(as: parameters) ?? false
      else { continue }
      editor.replace(copy, with: y)
      editor.remove(other)
      count += 1
    }
  }
  return count
}

/// Makes the integers of a float tensor that is quantised, from the integers that it was made of.
///
/// Going up from the tensor, every node on the way must commute with quantisation, and be read by
/// nothing but what becomes integers too, until there are integers: those of a DequantizeLinear
/// with the same parameters, or those that a layer in integers writes.
final class IntegerRewrite {
  private let editor: FunctionEditor
  private let parameters: LinearQuantization
  /// New nodes come before this one.
  private let place: Node
  /// nil: the tensor is quantised in the end. Otherwise the node that will read the integers; what
  /// is on the way must then be exact without a rounding.
  private let reader: Node?
  private var accepted: [Node] = []

  init(
    _ editor: FunctionEditor, _ parameters: LinearQuantization, before place: Node,
    for reader: Node? = nil
  ) {
    self.editor = editor
    self.parameters = parameters
    self.place = place
    self.reader = reader
    if let reader { accepted.append(reader) }
  }

  // MARK: Whether

  /// Operators that only move elements, or choose among them by their order.
  private static let moving: Set<String> = [
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "Concat", "Pad",
    "MaxPool", "Identity", "DepthToSpace", "SpaceToDepth", "Expand", "Tile", "Gather", "Resize",
  ]

  /// Whether it maps dequantised tensors to ones that the same integers stand for.
  static func isExact(_ node: Node) -> Bool { node.op == "Relu" || moves(node) }

  static func moves(_ node: Node) -> Bool {
    // Of a Resize what lies between elements, or beside them, is computed.
    moving.contains(node.op)
      && (node.op != "Resize"
        || (node.string("mode", default: "nearest") == "nearest"
          && node.string("coordinate_transformation_mode", default: "half_pixel")
            != "tf_crop_and_resize"))
  }

  /// Whether it is a Resize between elements of dequantised ones.
  private func resizesBetween(_ node: Node) -> Bool {
    reader == nil && node.resizesBytes
      && editor.producer(of: node.input(0))?.op == "DequantizeLinear"
  }

  /// How many of a node's inputs, from the first on, are the tensors that it moves.
  private func dataInputs(_ node: Node) -> Int { node.op == "Concat" ? node.inputs.count : 1 }

  func isPossible(_ x: Value) -> Bool {
    guard let node = editor.producer(of: x) else { return false }
    if node.op == "DequantizeLinear" {
      guard let own = LinearQuantization(node) else { return false }
      return own.isSame(as: parameters) || (reader == nil && own.isForBytes)
    }
    if reader == nil, table(x) != nil { return true }
    guard isReadByAccepted(x) else { return false }
    let inputs = node.inputs.prefix(dataInputs(node))
    switch node.op {
    case "Relu", "Clip":
      guard let limits = node.limits, limits.lower <= limits.upper,
        reader == nil || (limits.lower == 0 && limits.upper == .infinity)
      else { return false }
    case _ where resizesBetween(node):
      break
    case let op where IntegerRewrite.moves(node):
      if op == "Pad", padValue(node) == nil { return false }
      // The indices of a MaxPool and the other parts of a Split.
      for case let output? in node.outputs where output !== x {
        guard output.dataType == .float32, isReadByAccepted(output) else { return false }
      }
    default:
      return reader == nil
        && (IntegerLayer(node, editor, before: place) != nil
          || IntegerArithmetic(node, editor, parameters) != nil)
    }
    accepted.append(node)
    return inputs.allSatisfy { $0.map { $0.logicalType == .float32 && isPossible($0) } ?? false }
  }

  /// The operators of one number that lead to `x` from a dequantised tensor. Relu and Clip alone need
  /// none where the scale stays.
  private func table(_ x: Value) -> IntegerTable? {
    guard let table = IntegerTable(x, editor) else { return nil }
    return table.isClip && table.parameters.isSame(as: parameters) ? nil : table
  }

  private func isReadByAccepted(_ x: Value) -> Bool {
    !editor.isResult(x)
      && editor.readers(of: x).allSatisfy { node in
        accepted.contains { $0 === node } || isQuantizer(node)
      }
      && editor.readers(of: x).count(where: isQuantizer) <= 1
  }

  /// Whether it quantises with our parameters.
  private func isQuantizer(_ node: Node) -> Bool {
    node.op == "QuantizeLinear" && reader == nil && node.outputs[0] != nil
      && (LinearQuantization(node)?.isSame(as: parameters) ?? false)
  }

  /// What Pad adds, as an integer; nil where it is not a constant, or not exact and has to be.
  private func padValue(_ node: Node) -> Int32? {
    var value: Float = 0
    if let input = node.input(2) {
      if input.hasRealFloats, input.realFloats.count == 1 {
        value = input.realFloats[0]
      } else if let source = editor.producer(of: input), source.op == "DequantizeLinear",
        let own = LinearQuantization(source), own.axis == nil,
        let integers = source.input(0)?.smallIntegers, integers.count == 1
      {
        value = Float(integers[0] - own.zeros[0]) * own.scales[0]
      } else {
        return nil
      }
    }
    let q = parameters.quantized(value)
    let isExact = Float(q - parameters.zeros[0]) * parameters.scales[0] == value
    return reader == nil || isExact ? q : nil
  }

  // MARK: Rewriting

  /// Makes the integers of `x`, which `isPossible` has accepted.
  ///
  /// - Parameter y: The value to write; nil where any will do.
  @discardableResult
  func perform(_ x: Value, writing y: Value? = nil) -> Value {
    guard let node = editor.producer(of: x) else { return x }
    if node.op == "DequantizeLinear" {
      guard let own = LinearQuantization(node), !own.isSame(as: parameters) else {
        return pass(node.inputs[0]!, as: y)
      }
      return requantize(node.inputs[0]!, own, into: target(x, y))
    }
    if reader == nil, let table = table(x) {
      let target = self.target(x, y)
      // What stood there goes where nobody else reads it.
      table.emit(parameters, into: target, before: place, editor)
      return target
    }
    let target = self.target(x, y)
    switch node.op {
    case "Relu", "Clip":
      clip(node.limits ?? (-.infinity, .infinity), node, into: target) {
        self.perform(node.inputs[0]!, writing: $0)
      }
    case _ where IntegerRewrite.moves(node) || resizesBetween(node):
      return move(node, x, into: target)
    default:
      // As in isPossible, so it is a layer or a sum or the like that has an integer form.
      if let sum = IntegerArithmetic(node, editor, parameters) {
        sum.emit(parameters, into: target, before: place)
      } else if let layer = IntegerLayer(node, editor, before: place) {
        clip(node.limits ?? (-.infinity, .infinity), node, into: target) { y in
          let sums = y ?? Value(x.name + ".unclipped", self.parameters.type, x.shape)
          layer.emit(self.parameters, into: sums)
          return sums
        }
      }
    }
    editor.remove(node)
    return target
  }

  /// The value that is to hold the integers of `x`; its quantiser, if it has one, goes.
  private func target(_ x: Value, _ wanted: Value?) -> Value {
    let quantizer = editor.readers(of: x).first(where: isQuantizer)
    if let quantizer { editor.remove(quantizer) }
    return wanted ?? quantizer?.outputs[0]
      ?? Value(x.name + ".quantized", parameters.type, x.shape)
  }

  /// The integers are there already.
  private func pass(_ q: Value, as y: Value?) -> Value {
    guard let y else { return q }
    if let quantizer = editor.producer(of: y) { editor.remove(quantizer) }
    if editor.replace(y, with: q) { return q }
    // An output of the function keeps its name.
    editor.insert(Node("Identity", inputs: [q], outputs: [y]), before: place)
    return y
  }

  /// Other integers for the same numbers.
  private func requantize(_ q: Value, _ own: LinearQuantization, into y: Value) -> Value {
    let lookup = ByteFunction([]).lookup(name: y.name + ".scale", q, own, parameters, into: y)
    editor.insert(lookup, before: place)
    return y
  }

  /// Relu and Clip: what the range of the integers does already needs no node.
  private func clip(
    _ limits: (lower: Float, upper: Float), _ node: Node, into y: Value,
    _ unclipped: (Value?) -> Value
  ) {
    let (lower, upper) = (parameters.quantized(limits.lower), parameters.quantized(limits.upper))
    let range = parameters.range
    if lower == range.lowerBound && upper == range.upperBound {
      _ = unclipped(y)
      return
    }
    let low = lower > range.lowerBound ? parameters.constant(node.name + ".low", lower) : nil
    let high = upper < range.upperBound ? parameters.constant(node.name + ".high", upper) : nil
    editor.insert(
      Node("Clip", name: node.name + ".clip", inputs: [unclipped(nil), low, high], outputs: [y]),
      before: place)
  }

  private func move(_ node: Node, _ x: Value, into y: Value) -> Value {
    if node.op == "Concat", let joined = join(node, into: y) { return joined }
    var inputs = node.inputs
    for i in 0..<dataInputs(node) { inputs[i] = perform(node.inputs[i]!) }
    if node.op == "Pad" {
      inputs = Array(inputs.prefix(2)) + [nil] + inputs.dropFirst(3)
      if node.string("mode", default: "constant") == "constant" {
        inputs[2] = padValue(node).map { parameters.constant(node.name + ".value", $0) }
      }
    }
    var attributes = node.attributes
    if resizesBetween(node) { attributes["round"] = 1 }
    // Before its outputs get another writer.
    editor.remove(node)
    let outputs = node.outputs.map { output in
      output.map { $0 === x ? y : target($0, nil) }
    }
    editor.insert(
      Node(
        node.op, name: node.name, inputs: inputs, outputs: outputs, attributes: attributes),
      before: place)
    return y
  }

  /// A Concat of integers of other scales; nil where there are none.
  private func join(_ node: Node, into y: Value) -> Value? {
    /// What an input was dequantised from, if that is of another scale.
    func other(_ x: Value?) -> (Value, LinearQuantization)? {
      guard reader == nil, let source = editor.producer(of: x), let q = source.input(0),
        let own = LinearQuantization(source), !own.isSame(as: parameters),
        own.type == parameters.type || q.kind == .weight
      else { return nil }
      return q.retyped(own, to: parameters.type)
    }
    guard node.inputs.contains(where: { other($0) != nil }) else { return nil }
    var inputs: [Value?] = [parameters.scale, parameters.zero]
    for x in node.inputs {
      let (q, own) = other(x) ?? (perform(x!), parameters)
      inputs += [q, own.scale, own.zero]
    }
    editor.remove(node)
    editor.insert(
      Node(
        "QLinearConcat", name: node.name, inputs: inputs, outputs: [y],
        attributes: node.attributes),
      before: place)
    return y
  }
}
