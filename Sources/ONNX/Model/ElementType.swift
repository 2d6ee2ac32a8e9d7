import ModelFormat

/// Element types by ONNX's own numbers.
public struct ElementType: Equatable {
  public let number: Int32

  public init(_ number: Int32) { self.number = number }

  static let float32 = ElementType(1)
  static let uint8 = ElementType(2)
  static let int8 = ElementType(3)
  static let int32 = ElementType(6)
  static let int64 = ElementType(7)
  static let string = ElementType(8)
  static let bool = ElementType(9)
  static let float16 = ElementType(10)
  static let double = ElementType(11)
  static let bfloat16 = ElementType(16)

  private static let names = [
    "undefined", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool",
    "float16", "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16",
    "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4", "int4", "float4e2m1",
    "float8e8m0", "uint2", "int2", "float6e2m3", "float6e3m2",
  ]

  var name: String {
    ElementType.names.indices.contains(Int(number))
      ? ElementType.names[Int(number)] : "type \(number)"
  }

  /// Bytes of one element in raw_data; nil where elements are no whole bytes, or texts.
  var size: Int? {
    switch number {
    case 2, 3, 9, 17, 18, 19, 20, 24: 1
    case 4, 5, 10, 16: 2
    case 1, 6, 12: 4
    case 7, 11, 13, 14: 8
    case 15: 16
    default: nil
    }
  }

  /// The type in which the runtime computes with such elements: other floats become float32. nil
  /// where there is none.
  var computed: DataType? {
    switch self {
    case .float32, .float16, .bfloat16, .double: .float32
    case .uint8: .uint8
    case .int8: .int8
    case .int32: .int32
    case .int64: .int64
    case .bool: .bool
    default: nil
    }
  }

  init(_ type: DataType) {
    switch type {
    case .float32: self = .float32
    case .float16: self = .float16
    case .bfloat16: self = .bfloat16
    case .int8: self = .int8
    case .uint8: self = .uint8
    case .int32: self = .int32
    case .int64: self = .int64
    case .bool: self = .bool
    }
  }
}
