import COnnx

// Into protobuf-c's structures, which live as long as the memory that they are built in.

extension ModelProto {
  /// What protocol buffers can hold in one message.
  private static let sizeLimit = 1 << 31

  /// The bytes of an .onnx file.
  ///
  /// - Throws: ONNXError where they would be too many.
  func encode() throws -> [UInt8] {
    let memory = ProtoMemory()
    let p = memory.make(onnx__model_proto__init)
    p.pointee.has_ir_version = 1
    p.pointee.ir_version = Int64(irVersion)
    (p.pointee.opset_import, p.pointee.n_opset_import) = memory.list(
      opsets.sorted { $0.key < $1.key }
    ) { entry in
      let o = memory.make(onnx__operator_set_id_proto__init)
      o.pointee.domain = memory.text(entry.key)
      o.pointee.has_version = 1
      o.pointee.version = Int64(entry.value)
      return o
    }
    p.pointee.producer_name = memory.text(producerName)
    p.pointee.producer_version = memory.text(producerVersion)
    p.pointee.graph = graph.build(memory)
    (p.pointee.metadata_props, p.pointee.n_metadata_props) = memory.list(metadata) { entry in
      let e = memory.make(onnx__string_string_entry_proto__init)
      e.pointee.key = memory.text(entry.key)
      e.pointee.value = memory.text(entry.value)
      return e
    }
    let size = onnx__model_proto__get_packed_size(p)
    guard size < ModelProto.sizeLimit else {
      throw ONNXError("the ONNX model would have \(size) bytes; it may have 2 GiB")
    }
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      count = buffer.baseAddress.map { onnx__model_proto__pack(p, $0) } ?? 0
    }
  }
}

extension GraphProto {
  fileprivate func build(_ memory: ProtoMemory) -> UnsafeMutablePointer<Onnx__GraphProto> {
    let p = memory.make(onnx__graph_proto__init)
    p.pointee.name = memory.text(name)
    (p.pointee.node, p.pointee.n_node) = memory.list(nodes) { $0.build(memory) }
    (p.pointee.initializer, p.pointee.n_initializer) = memory.list(initializers) {
      $0.build(memory)
    }
    (p.pointee.input, p.pointee.n_input) = memory.list(inputs) { $0.build(memory) }
    (p.pointee.output, p.pointee.n_output) = memory.list(outputs) { $0.build(memory) }
    return p
  }
}

extension NodeProto {
  fileprivate func build(_ memory: ProtoMemory) -> UnsafeMutablePointer<Onnx__NodeProto> {
    let p = memory.make(onnx__node_proto__init)
    p.pointee.op_type = memory.text(op)
    if !domain.isEmpty { p.pointee.domain = memory.text(domain) }
    p.pointee.name = memory.text(name)
    (p.pointee.input, p.pointee.n_input) = memory.list(inputs) { memory.text($0) }
    (p.pointee.output, p.pointee.n_output) = memory.list(outputs) { memory.text($0) }
    (p.pointee.attribute, p.pointee.n_attribute) = memory.list(attributes) { $0.build(memory) }
    return p
  }
}

extension AttributeProto {
  fileprivate func build(_ memory: ProtoMemory) -> UnsafeMutablePointer<Onnx__AttributeProto> {
    let p = memory.make(onnx__attribute_proto__init)
    p.pointee.name = memory.text(name)
    p.pointee.has_type = 1
    switch value {
    case .int(let v):
      p.pointee.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT
      p.pointee.has_i = 1
      p.pointee.i = Int64(v)
    case .float(let v):
      p.pointee.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT
      p.pointee.has_f = 1
      p.pointee.f = v
    case .string(let v):
      p.pointee.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING
      p.pointee.has_s = 1
      p.pointee.s = memory.bytes([UInt8](v.utf8))
    case .ints(let v):
      p.pointee.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS
      (p.pointee.ints, p.pointee.n_ints) = memory.numbers(v.map { Int64($0) })
    case .floats(let v):
      p.pointee.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS
      (p.pointee.floats, p.pointee.n_floats) = memory.numbers(v)
    case .strings(let v):
      p.pointee.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS
      (p.pointee.strings, p.pointee.n_strings) = memory.numbers(
        v.map { memory.bytes([UInt8]($0.utf8)) })
    case .tensor(let v):
      p.pointee.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR
      p.pointee.t = v.build(memory)
    case .graph(let v):
      p.pointee.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH
      p.pointee.g = v.build(memory)
    case .function, .reference, .other: break  // readers' own
    }
    return p
  }
}

extension TensorProto {
  fileprivate func build(_ memory: ProtoMemory) -> UnsafeMutablePointer<Onnx__TensorProto> {
    let p = memory.make(onnx__tensor_proto__init)
    p.pointee.name = memory.text(name)
    p.pointee.has_data_type = 1
    p.pointee.data_type = type.number
    (p.pointee.dims, p.pointee.n_dims) = memory.numbers(dimensions.map { Int64($0) })
    if case .bytes(let bytes) = elements {
      p.pointee.has_raw_data = 1
      p.pointee.raw_data = memory.bytes(bytes)
    }
    return p
  }
}

extension ValueInfoProto {
  fileprivate func build(_ memory: ProtoMemory) -> UnsafeMutablePointer<Onnx__ValueInfoProto> {
    let p = memory.make(onnx__value_info_proto__init)
    p.pointee.name = memory.text(name)
    guard let type else { return p }
    let t = memory.make(onnx__type_proto__tensor__init)
    t.pointee.has_elem_type = 1
    t.pointee.elem_type = type.number
    if let shape {
      let s = memory.make(onnx__tensor_shape_proto__init)
      (s.pointee.dim, s.pointee.n_dim) = memory.list(shape) { dimension in
        let d = memory.make(onnx__tensor_shape_proto__dimension__init)
        switch dimension {
        case .value(let size):
          d.pointee.value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE
          d.pointee.dim_value = Int64(size)
        case .parameter(let name):
          d.pointee.value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM
          d.pointee.dim_param = memory.text(name)
        case .unknown: break
        }
        return d
      }
      t.pointee.shape = s
    }
    let kind = memory.make(onnx__type_proto__init)
    kind.pointee.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE
    kind.pointee.tensor_type = t
    p.pointee.type = kind
    return p
  }
}

/// The memory of a tree of protobuf-c's structures, freed at once.
private final class ProtoMemory {
  private var blocks: [UnsafeMutableRawPointer] = []

  deinit { for block in blocks { block.deallocate() } }

  private func allocate<T>(_ count: Int, of _: T.Type) -> UnsafeMutablePointer<T> {
    let p = UnsafeMutablePointer<T>.allocate(capacity: max(count, 1))
    blocks.append(UnsafeMutableRawPointer(p))
    return p
  }

  /// A structure, initialised by protobuf-c.
  func make<T>(_ initialize: (UnsafeMutablePointer<T>?) -> Void) -> UnsafeMutablePointer<T> {
    let p = allocate(1, of: T.self)
    initialize(p)
    return p
  }

  func text(_ string: String) -> UnsafeMutablePointer<CChar> {
    // A C string ends at its first 0.
    let bytes = string.utf8.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
    let p = allocate(bytes.count, of: CChar.self)
    p.initialize(from: bytes, count: bytes.count)
    return p
  }

  func bytes(_ bytes: [UInt8]) -> ProtobufCBinaryData {
    ProtobufCBinaryData(len: bytes.count, data: numbers(bytes).0)
  }

  func numbers<T>(_ values: [T]) -> (UnsafeMutablePointer<T>?, Int) {
    let p = allocate(values.count, of: T.self)
    p.initialize(from: values, count: values.count)
    return (p, values.count)
  }

  func list<S, T>(
    _ values: [S], _ build: (S) -> UnsafeMutablePointer<T>
  ) -> (UnsafeMutablePointer<UnsafeMutablePointer<T>?>?, Int) {
    let p = allocate(values.count, of: UnsafeMutablePointer<T>?.self)
    for (i, value) in values.enumerated() { (p + i).initialize(to: build(value)) }
    return (p, values.count)
  }
}
