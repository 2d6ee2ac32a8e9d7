/// The element type of a tensor. The raw values are those in the file and in apus.h.
public enum DataType: UInt8, Sendable {
  case float32 = 1
  case float16 = 2
  case bfloat16 = 3
  case int8 = 4
  case uint8 = 5
  case int32 = 6
  case int64 = 7
  case bool = 8

  /// Bytes of one element.
  public var size: Int {
    switch self {
    case .int8, .uint8, .bool: 1
    case .float16, .bfloat16: 2
    case .float32, .int32: 4
    case .int64: 8
    }
  }

  public var name: StaticString {
    switch self {
    case .float32: "float32"
    case .float16: "float16"
    case .bfloat16: "bfloat16"
    case .int8: "int8"
    case .uint8: "uint8"
    case .int32: "int32"
    case .int64: "int64"
    case .bool: "bool"
    }
  }
}
