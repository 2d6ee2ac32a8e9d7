import COnnx

// From protobuf-c's structures, of which everything is copied.

extension ModelProto {
  /// Deeper than any exporter's graphs within graphs, shallow enough for any thread's stack.
  private static let depthLimit: UInt32 = 100

  /// Unpacks the bytes of an .onnx file.
  ///
  /// - Throws: ONNXError where they are none.
  init(bytes: UnsafeRawBufferPointer) throws {
    let start = bytes.bindMemory(to: UInt8.self).baseAddress
    guard let start, !bytes.isEmpty else { throw ONNXError("the file is empty") }
    switch apus_onnx_check_model(
      start, bytes.count, ModelProto.depthLimit, 4 * bytes.count + (48 << 20))
    {
    case APUS_ONNX_FITS: break
    case APUS_ONNX_TOO_DEEP:
      throw ONNXError("its graphs are nested deeper than \(ModelProto.depthLimit) messages")
    case APUS_ONNX_TOO_LARGE:
      throw ONNXError("unpacked it would take more than four times its size")
    default: throw ONNXError("not an ONNX model, or a damaged one")
    }
    guard let proto = onnx__model_proto__unpack(nil, bytes.count, start) else {
      throw ONNXError("not an ONNX model, or a damaged one")
    }
    defer { onnx__model_proto__free_unpacked(proto, nil) }
    self.init(proto.pointee)
    guard proto.pointee.graph != nil, !opsets.isEmpty else {
      throw ONNXError("not an ONNX model: it has no graph or no opset version")
    }
  }

  private init(_ p: Onnx__ModelProto) {
    irVersion = Int(p.ir_version)
    opsets = opsetVersions(p.opset_import, p.n_opset_import)
    producerName = text(p.producer_name)
    producerVersion = text(p.producer_version)
    domain = text(p.domain)
    modelVersion = Int(p.model_version)
    docString = text(p.doc_string)
    metadata = list(p.metadata_props, p.n_metadata_props) { (text($0.key), text($0.value)) }
    if let graph = p.graph { self.graph = GraphProto(graph.pointee) }
    functions = list(p.functions, p.n_functions) { FunctionProto($0) }
  }
}

extension GraphProto {
  init(_ p: Onnx__GraphProto) {
    name = text(p.name)
    nodes = list(p.node, p.n_node) { NodeProto($0) }
    initializers = (0..<p.n_initializer).compactMap {
      p.initializer[$0].map { TensorProto(moving: $0) }
    }
    sparseInitializers = list(p.sparse_initializer, p.n_sparse_initializer) {
      $0.values.map { text($0.pointee.name) } ?? ""
    }
    inputs = list(p.input, p.n_input) { ValueInfoProto($0) }
    outputs = list(p.output, p.n_output) { ValueInfoProto($0) }
    valueInfo = list(p.value_info, p.n_value_info) { ValueInfoProto($0) }
  }
}

extension FunctionProto {
  fileprivate init(_ p: Onnx__FunctionProto) {
    domain = text(p.domain)
    name = text(p.name)
    overload = text(p.overload)
    inputs = texts(p.input, p.n_input)
    outputs = texts(p.output, p.n_output)
    defaults = list(p.attribute_proto, p.n_attribute_proto) { AttributeProto($0) }
    opsets = opsetVersions(p.opset_import, p.n_opset_import)
    nodes = list(p.node, p.n_node) { NodeProto($0) }
  }
}

extension NodeProto {
  fileprivate init(_ p: Onnx__NodeProto) {
    op = text(p.op_type)
    domain = text(p.domain)
    if domain == "ai.onnx" { domain = "" }
    overload = text(p.overload)
    name = text(p.name)
    inputs = texts(p.input, p.n_input)
    outputs = texts(p.output, p.n_output)
    attributes = list(p.attribute, p.n_attribute) { AttributeProto($0) }
  }
}

extension AttributeProto {
  fileprivate init(_ p: Onnx__AttributeProto) {
    name = text(p.name)
    value = AttributeValue(p)
  }
}

extension AttributeValue {
  fileprivate init(_ p: Onnx__AttributeProto) {
    if p.ref_attr_name != nil, p.ref_attr_name.pointee != 0 {
      self = .reference(text(p.ref_attr_name))
      return
    }
    switch p.type {
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT: self = .float(p.f)
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT: self = .int(Int(p.i))
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING: self = .string(text(p.s))
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR where p.t != nil:
      self = .tensor(TensorProto(p.t.pointee))
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH where p.g != nil:
      self = .graph(GraphProto(p.g.pointee))
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS: self = .floats(numbers(p.floats, p.n_floats))
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS:
      self = .ints(numbers(p.ints, p.n_ints).map { Int($0) })
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS:
      self = .strings((0..<p.n_strings).map { text(p.strings[$0]) })
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSOR: self = .other("a sparse tensor")
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TYPE_PROTO: self = .other("a type")
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED: self = .init(untyped: p)
    default: self = .other("a list of tensors, graphs or types")
    }
  }

  /// Before IR version 3 an attribute's type is told by the field that is there.
  private init(untyped p: Onnx__AttributeProto) {
    if p.has_f != 0 {
      self = .float(p.f)
    } else if p.has_i != 0 {
      self = .int(Int(p.i))
    } else if p.has_s != 0 {
      self = .string(text(p.s))
    } else if let t = p.t {
      self = .tensor(TensorProto(t.pointee))
    } else if let g = p.g {
      self = .graph(GraphProto(g.pointee))
    } else if p.n_floats > 0 {
      self = .floats(numbers(p.floats, p.n_floats))
    } else if p.n_strings > 0 {
      self = .strings((0..<p.n_strings).map { text(p.strings[$0]) })
    } else {
      self = .ints(numbers(p.ints, p.n_ints).map { Int($0) })
    }
  }
}

extension ValueInfoProto {
  fileprivate init(_ p: Onnx__ValueInfoProto) {
    name = text(p.name)
    guard let t = p.type?.pointee else { return }
    switch t.value_case {
    case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE:
      guard let tensor = t.tensor_type?.pointee else { return }
      type = ElementType(tensor.elem_type)
      guard let dimensions = tensor.shape?.pointee else { return }
      shape = list(dimensions.dim, dimensions.n_dim) { d in
        switch d.value_case {
        case ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE: .value(Int(d.dim_value))
        case ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM: .parameter(text(d.dim_param))
        default: .unknown
        }
      }
    case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE: otherKind = "a sequence"
    case ONNX__TYPE_PROTO__VALUE_MAP_TYPE: otherKind = "a map"
    case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE: otherKind = "an optional"
    case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE: otherKind = "a sparse tensor"
    case ONNX__TYPE_PROTO__VALUE_OPAQUE_TYPE: otherKind = "an opaque value"
    default: break
    }
  }
}

// MARK: C to Swift

func text(_ p: UnsafeMutablePointer<CChar>?) -> String { p.map { String(cString: $0) } ?? "" }

func text(_ p: ProtobufCBinaryData) -> String {
  String(decoding: UnsafeBufferPointer(start: p.data, count: p.len), as: UTF8.self)
}

func texts(
  _ p: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ count: Int
) -> [String] {
  (0..<count).map { text(p?[$0]) }
}

func numbers<T>(_ p: UnsafeMutablePointer<T>?, _ count: Int) -> [T] {
  [T](UnsafeBufferPointer(start: p, count: count))
}

func list<P, T>(
  _ p: UnsafeMutablePointer<UnsafeMutablePointer<P>?>?, _ count: Int, _ make: (P) -> T
) -> [T] {
  (0..<count).compactMap { p?[$0].map { make($0.pointee) } }
}

private func opsetVersions(
  _ p: UnsafeMutablePointer<UnsafeMutablePointer<Onnx__OperatorSetIdProto>?>?, _ count: Int
) -> [String: Int] {
  var result: [String: Int] = [:]
  for (domain, version) in list(p, count, { (text($0.domain), Int($0.version)) }) {
    result[domain == "ai.onnx" ? "" : domain] = version
  }
  return result
}
