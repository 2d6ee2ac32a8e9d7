/// The element types that a `NumPyArray` may have.
public enum NumPyType: String, CaseIterable, Sendable {
  case bool
  case int8
  case int16
  case int32
  case int64
  case uint8
  case uint16
  case uint32
  case uint64
  case float16
  case float32
  case float64

  /// Bytes of one element.
  public var size: Int {
    switch self {
    case .bool, .int8, .uint8: 1
    case .int16, .uint16, .float16: 2
    case .int32, .uint32, .float32: 4
    case .int64, .uint64, .float64: 8
    }
  }

  public var isFloatingPoint: Bool {
    switch self {
    case .float16, .float32, .float64: true
    default: false
    }
  }

  /// As in the `descr` of a .npy header, without the byte order: "f4".
  var code: String {
    switch self {
    case .bool: "b1"
    case .int8, .int16, .int32, .int64: "i\(size)"
    case .uint8, .uint16, .uint32, .uint64: "u\(size)"
    case .float16, .float32, .float64: "f\(size)"
    }
  }

  /// The type of a `descr` such as "<f4" and whether its bytes are in big-endian order; nil for
  /// types that have no place here (strings, objects, complex numbers, structures).
  static func parse(descriptor: String) -> (type: NumPyType, isBigEndian: Bool)? {
    guard let order = descriptor.first, "<>|=".contains(order) else { return nil }
    let code = descriptor.dropFirst()
    guard let type = allCases.first(where: { $0.code == code }) else { return nil }
    if order == "|" && type.size > 1 { return nil }
    return (type, order == ">")
  }
}
