/// A protocol buffers message as a tree of fields, whatever they hold.
final class Message {
  let type: MessageType
  var fields: [Field]

  init(_ type: MessageType, _ fields: [Field] = []) {
    self.type = type
    self.fields = fields
  }

  struct Field {
    var number: UInt64
    var content: Content
  }

  enum Content {
    case varint(UInt64)
    case fixed32(UInt32)
    case fixed64(UInt64)
    case bytes([UInt8])
    case message(Message)
  }

  /// nil where the bytes do not follow the wire format.
  init?(_ type: MessageType, _ bytes: ArraySlice<UInt8>) {
    self.type = type
    fields = []
    var at = bytes.startIndex
    func varint() -> UInt64? {
      var value: UInt64 = 0
      for shift in stride(from: UInt64(0), to: 64, by: 7) {
        guard at < bytes.endIndex else { return nil }
        let byte = bytes[at]
        at += 1
        value |= UInt64(byte & 0x7F) << shift
        if byte < 0x80 { return value }
      }
      return nil
    }
    func take(_ count: UInt64) -> ArraySlice<UInt8>? {
      guard count <= UInt64(bytes.endIndex - at) else { return nil }
      defer { at += Int(count) }
      return bytes[at..<at + Int(count)]
    }
    while at < bytes.endIndex {
      guard let key = varint() else { return nil }
      let number = key >> 3
      switch key & 7 {
      case 0:
        guard let value = varint() else { return nil }
        fields.append(Field(number: number, content: .varint(value)))
      case 1:
        guard let part = take(8) else { return nil }
        let value = part.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        fields.append(Field(number: number, content: .fixed64(value)))
      case 5:
        guard let part = take(4) else { return nil }
        let value = part.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        fields.append(Field(number: number, content: .fixed32(value)))
      case 2:
        guard let count = varint(), let part = take(count) else { return nil }
        if let inner = type.fields[number] {
          guard let message = Message(inner, part) else { return nil }
          fields.append(Field(number: number, content: .message(message)))
        } else {
          fields.append(Field(number: number, content: .bytes(Array(part))))
        }
      default: return nil
      }
    }
  }

  func clone() -> Message {
    Message(
      type,
      fields.map { field in
        guard case .message(let inner) = field.content else { return field }
        return Field(number: field.number, content: .message(inner.clone()))
      })
  }

  /// The message and all that it holds.
  func walk(_ body: (Message) -> Void) {
    body(self)
    for field in fields {
      if case .message(let inner) = field.content { inner.walk(body) }
    }
  }

  // MARK: Bytes

  var encoded: [UInt8] {
    var result: [UInt8] = []
    for field in fields {
      switch field.content {
      case .varint(let value):
        Message.append(field.number << 3, &result)
        Message.append(value, &result)
      case .fixed64(let value):
        Message.append(field.number << 3 | 1, &result)
        for i in 0..<8 { result.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * i))) }
      case .fixed32(let value):
        Message.append(field.number << 3 | 5, &result)
        for i in 0..<4 { result.append(UInt8(truncatingIfNeeded: value >> UInt32(8 * i))) }
      case .bytes(let bytes): Message.append(field.number, bytes, &result)
      case .message(let message): Message.append(field.number, message.encoded, &result)
      }
    }
    return result
  }

  static func append(_ value: UInt64, _ result: inout [UInt8]) {
    var rest = value
    while rest >= 0x80 {
      result.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    result.append(UInt8(rest))
  }

  private static func append(_ number: UInt64, _ bytes: [UInt8], _ result: inout [UInt8]) {
    append(number << 3 | 2, &result)
    append(UInt64(bytes.count), &result)
    result += bytes
  }

  // MARK: Fields

  /// The first text of the field.
  func text(_ number: UInt64) -> [UInt8]? {
    for field in fields where field.number == number {
      if case .bytes(let bytes) = field.content { return bytes }
    }
    return nil
  }

  func messages(_ number: UInt64) -> [Message] {
    fields.compactMap { field in
      guard field.number == number, case .message(let inner) = field.content else { return nil }
      return inner
    }
  }

  func set(_ number: UInt64, _ content: Content) {
    fields.removeAll { $0.number == number }
    fields.append(Field(number: number, content: content))
  }

  func add(_ number: UInt64, _ content: Content) {
    fields.append(Field(number: number, content: content))
  }
}

/// The messages of onnx.proto: which of their fields are messages again.
final class MessageType {
  let name: String
  fileprivate(set) var fields: [UInt64: MessageType] = [:]

  private init(_ name: String) { self.name = name }

  static let model = MessageType("ModelProto")
  static let graph = MessageType("GraphProto")
  static let node = MessageType("NodeProto")
  static let attribute = MessageType("AttributeProto")
  static let tensor = MessageType("TensorProto")
  static let function = MessageType("FunctionProto")
  static let valueInfo = MessageType("ValueInfoProto")
  static let entry = MessageType("StringStringEntryProto")
  static let opset = MessageType("OperatorSetIdProto")

  /// Fills the tables; to be called once, first.
  static func prepare() {
    let sparse = MessageType("SparseTensorProto")
    let segment = MessageType("TensorProto.Segment")
    let type = MessageType("TypeProto")
    let tensorType = MessageType("TypeProto.Tensor")
    let elements = MessageType("TypeProto.Sequence")
    let shape = MessageType("TensorShapeProto")
    let dimension = MessageType("TensorShapeProto.Dimension")
    model.fields = [7: graph, 8: opset, 14: entry, 25: function]
    graph.fields = [
      1: node, 5: tensor, 11: valueInfo, 12: valueInfo, 13: valueInfo, 15: sparse, 16: entry,
    ]
    node.fields = [5: attribute, 9: entry]
    attribute.fields = [
      5: tensor, 6: graph, 10: tensor, 11: graph, 14: type, 15: type, 22: sparse, 23: sparse,
    ]
    tensor.fields = [3: segment, 13: entry, 16: entry]
    sparse.fields = [1: tensor, 2: tensor]
    valueInfo.fields = [2: type]
    type.fields = [1: tensorType, 4: elements, 8: tensorType, 9: elements]
    tensorType.fields = [2: shape]
    elements.fields = [1: type]
    shape.fields = [1: dimension]
    function.fields = [7: node, 9: opset, 11: attribute, 12: valueInfo, 14: entry]
  }
}
