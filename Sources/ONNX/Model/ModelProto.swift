import Graph

// The parts of an ONNX model that Apus reads and writes, as Swift values. The names are those of
// onnx.proto.

struct ModelProto {
  var irVersion = 0
  /// The version of each domain's operators; "" is ONNX's own.
  var opsets: [String: Int] = [:]
  var producerName = ""
  var producerVersion = ""
  var domain = ""
  var modelVersion = 0
  var docString = ""
  var metadata: [(key: String, value: String)] = []
  var graph = GraphProto()
  var functions: [FunctionProto] = []
}

struct GraphProto {
  var name = ""
  var nodes: [NodeProto] = []
  var initializers: [TensorProto] = []
  /// Names only: sparse initialisers are refused.
  var sparseInitializers: [String] = []
  var inputs: [ValueInfoProto] = []
  var outputs: [ValueInfoProto] = []
  /// What the exporter says of tensors in between.
  var valueInfo: [ValueInfoProto] = []
}

/// A function that the model brings along; nodes call it by its domain and name.
struct FunctionProto {
  var domain = ""
  var name = ""
  var overload = ""
  var inputs: [String] = []
  var outputs: [String] = []
  /// Attributes that have a default; those without one need no mention here.
  var defaults: [AttributeProto] = []
  var opsets: [String: Int] = [:]
  var nodes: [NodeProto] = []
}

struct NodeProto {
  var op = ""
  var domain = ""
  var overload = ""
  var name = ""
  /// "" stands for one that is left out.
  var inputs: [String] = []
  var outputs: [String] = []
  var attributes: [AttributeProto] = []
}

struct AttributeProto {
  var name: String
  var value: AttributeValue
}

enum AttributeValue {
  case int(Int)
  case float(Float)
  case string(String)
  case ints([Int])
  case floats([Float])
  case strings([String])
  case tensor(TensorProto)
  case graph(GraphProto)
  /// A graph that was made a function.
  case function(Function)
  /// The attribute of this name of the function that the node is in.
  case reference(String)
  /// A kind that nothing here reads: its name.
  case other(String)

  var kind: String {
    switch self {
    case .int: "an integer"
    case .float: "a float"
    case .string: "a text"
    case .ints: "integers"
    case .floats: "floats"
    case .strings: "texts"
    case .tensor: "a tensor"
    case .graph, .function: "a graph"
    case .reference(let name): "a reference to \(name)"
    case .other(let kind): kind
    }
  }
}

struct TensorProto {
  var name = ""
  var type = ElementType(0)
  var dimensions: [Int] = []
  var elements = Elements.bytes([])

  enum Elements {
    /// Little-endian and row-major, as raw_data has them.
    case bytes([UInt8])
    /// In a file beside the model.
    case external(location: String, offset: Int, length: Int?)
    /// What cannot be read, in words.
    case unreadable(String)
  }
}

struct ValueInfoProto {
  var name = ""
  /// nil where it is no tensor, or its type is not stated.
  var type: ElementType?
  /// nil where nothing is said of the shape.
  var shape: [DimensionProto]?
  /// "a sequence" and the like, where it is no tensor.
  var otherKind: String?
}

enum DimensionProto {
  case value(Int)
  case parameter(String)
  case unknown
}
