import ModelFormat
import Operators

/// An operator applied to values.
public final class Node {
  /// The operator's name as in the registry (and in ONNX): "Conv".
  public var op: String
  /// What people call this node; "" where it has no name.
  public var name: String
  /// nil: an optional input that is left out.
  public var inputs: [Value?]
  /// nil: an optional output that nobody wants.
  public var outputs: [Value?]
  public var attributes: [String: Attribute]

  public init(
    _ op: String, name: String = "", inputs: [Value?], outputs: [Value?],
    attributes: [String: Attribute] = [:]
  ) {
    self.op = op
    self.name = name
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
  }

  /// The registry's entry; nil where there is none of this name.
  public var definition: Operator? {
    var name = op
    return name.withUTF8 { utf8 in
      utf8.baseAddress.flatMap { findOperator(named: Name(start: $0, count: utf8.count)) }
    }
  }

  /// "Conv C1", for messages.
  public var displayName: String { name.isEmpty ? op : op + " " + name }

  public func input(_ i: Int) -> Value? { i < inputs.count ? inputs[i] : nil }

  public func int(_ name: String, default value: Int) -> Int {
    if case .int(let v)? = attributes[name] { v } else { value }
  }

  public func float(_ name: String, default value: Float) -> Float {
    switch attributes[name] {
    case .float(let v): v
    case .int(let v): Float(v)
    default: value
    }
  }

  public func string(_ name: String, default value: String) -> String {
    if case .string(let v)? = attributes[name] { v } else { value }
  }

  public func ints(_ name: String) -> [Int]? {
    if case .ints(let v)? = attributes[name] { v } else { nil }
  }

  public func floats(_ name: String) -> [Float]? {
    if case .floats(let v)? = attributes[name] { v } else { nil }
  }
}

/// The value of an attribute.
public enum Attribute: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByStringLiteral, ExpressibleByArrayLiteral
{
  case int(Int)
  case float(Float)
  case string(String)
  case ints([Int])
  case floats([Float])
  /// A function of the same graph: the body of a loop or a branch.
  case function(Function)

  public init(integerLiteral value: Int) { self = .int(value) }
  public init(floatLiteral value: Float) { self = .float(value) }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(arrayLiteral elements: Int...) { self = .ints(elements) }
}
