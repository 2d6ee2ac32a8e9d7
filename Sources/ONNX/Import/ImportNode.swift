import Graph
import ModelFormat

/// An ONNX node on its way into the graph.
///
/// Adaptors change it until it is what the newest opset (and the registry) calls for; one that
/// expresses the node otherwise emits nodes of its own, sets `outputs` and `isDone`.
final class ImportNode {
  var op: String
  let domain: String
  let name: String
  /// The version of the node's domain in this model.
  let opset: Int
  var inputs: [Value?]
  var outputs: [Value?]
  var attributes: [String: AttributeValue]
  /// Nothing is left to be emitted.
  var isDone = false
  let owner: FunctionImporter
  /// In which the names of graphs in attributes are looked up.
  let scope: Scope
  let opsets: [String: Int]

  init(
    _ proto: NodeProto, opset: Int, inputs: [Value?], outputs: [Value?],
    attributes: [String: AttributeValue], owner: FunctionImporter, scope: Scope,
    opsets: [String: Int]
  ) {
    op = proto.op
    domain = proto.domain
    name = proto.name.isEmpty ? proto.outputs.first { !$0.isEmpty } ?? "" : proto.name
    self.opset = opset
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
    self.owner = owner
    self.scope = scope
    self.opsets = opsets
  }

  // MARK: Inputs and outputs

  func input(_ i: Int) -> Value? { i < inputs.count ? inputs[i] : nil }

  func output(_ i: Int) -> Value? { i < outputs.count ? outputs[i] : nil }

  /// Sets an input; those between that do not exist yet are left out.
  func setInput(_ i: Int, _ value: Value?) {
    while inputs.count <= i { inputs.append(nil) }
    inputs[i] = value
  }

  /// The input's shape as far as it is known.
  func shape(_ i: Int) -> [Dimension]? { input(i)?.shape }

  func rank(_ i: Int) throws -> Int {
    guard let shape = shape(i) else { throw NodeProblem("the rank of input \(i) is not known") }
    return shape.count
  }

  /// The elements of an integer input that is a constant.
  func constantInts(_ i: Int) -> [Int]? {
    guard let value = input(i), value.kind == .weight else { return nil }
    switch value.dataType {
    case .int64, .int32: return value.integers
    default: return nil
    }
  }

  /// The elements of a float input that is a constant.
  func constantFloats(_ i: Int) -> [Float]? {
    guard let value = input(i), value.kind == .weight, value.dataType == .float32 else {
      return nil
    }
    return value.floats
  }

  // MARK: Attributes

  func int(_ name: String) -> Int? {
    if case .int(let v)? = attributes[name] { v } else { nil }
  }

  func float(_ name: String) -> Float? {
    if case .float(let v)? = attributes[name] { v } else { nil }
  }

  func string(_ name: String) -> String? {
    if case .string(let v)? = attributes[name] { v } else { nil }
  }

  func ints(_ name: String) -> [Int]? {
    if case .ints(let v)? = attributes[name] { v } else { nil }
  }

  func floats(_ name: String) -> [Float]? {
    if case .floats(let v)? = attributes[name] { v } else { nil }
  }

  func drop(_ names: String...) { for name in names { attributes[name] = nil } }

  /// An integer-list attribute of older opsets becomes the int64 input that it is in newer ones.
  func makeInput(_ i: Int, fromInts name: String) {
    guard let values = ints(name) else { return }
    attributes[name] = nil
    setInput(i, Value(self.name + "." + name, [values.count], integers: values))
  }

  // MARK: Instead of the node

  /// Adds a node in front of this one and returns its output.
  func emit(
    _ op: String, _ inputs: [Value?], _ attributes: [String: Attribute] = [:], suffix: String = ""
  ) -> Value {
    let output = Value(name + (suffix.isEmpty ? "." + op : suffix))
    return owner.emit(
      Node(
        op, name: output.name, inputs: inputs, outputs: [output], attributes: attributes))[0]
      ?? output
  }

  /// The first output is this value; nothing else is left to do.
  func replace(with value: Value) {
    if !outputs.isEmpty { outputs[0] = value }
    isDone = true
  }
}

/// Why a node cannot be imported, and what would work instead.
struct NodeProblem: Error {
  let what: String
  let instead: String

  init(_ what: String, instead: String = "") {
    self.what = what
    self.instead = instead
  }
}
