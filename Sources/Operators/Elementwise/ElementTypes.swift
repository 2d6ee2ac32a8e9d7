import ModelFormat

/// A set of element types: what an operator's inputs may be.
struct ElementTypes {
  private let bits: UInt16

  private init(bits: UInt16) { self.bits = bits }
  private init(_ type: DataType) { bits = 1 << UInt16(type.rawValue) }

  func contains(_ type: DataType) -> Bool { bits >> UInt16(type.rawValue) & 1 == 1 }

  static func + (a: ElementTypes, b: ElementTypes) -> ElementTypes {
    ElementTypes(bits: a.bits | b.bits)
  }

  static var float32: ElementTypes { ElementTypes(.float32) }
  static var bool: ElementTypes { ElementTypes(.bool) }
  /// What ONNX's sums and products know: int32 and int64.
  static var wideIntegers: ElementTypes { ElementTypes(.int32) + ElementTypes(.int64) }
  static var signedIntegers: ElementTypes { wideIntegers + ElementTypes(.int8) }
  static var integers: ElementTypes { signedIntegers + ElementTypes(.uint8) }
  static var numbers: ElementTypes { float32 + integers }
}

extension Message.StringInterpolation {
  /// As "float32, int32 and int64".
  mutating func appendInterpolation(_ types: ElementTypes) {
    var last: UInt8 = 0
    var count = 0
    for raw: UInt8 in 1...8 {
      if let type = DataType(rawValue: raw), types.contains(type) {
        last = raw
        count += 1
      }
    }
    var written = 0
    for raw: UInt8 in 1...8 {
      guard let type = DataType(rawValue: raw), types.contains(type) else { continue }
      if written > 0 { appendLiteral(raw == last ? " and " : ", ") }
      appendInterpolation(type)
      written += 1
    }
  }
}

extension NodeContext {
  /// Input `i` must be of one of these types.
  func requireTypes(_ i: Int, _ types: ElementTypes) throws(ApusError) {
    let type = input(i).dataType
    try require(
      types.contains(type), .invalidType,
      "input \(i) is \(type); \(definition.name) takes \(types)")
  }

  /// Input 0 must be of one of these types, and the others must have its type.
  func requireSameType(_ types: ElementTypes) throws(ApusError) {
    try requireTypes(0, types)
    for i in 1..<max(1, inputs.count) { try requireType(i, input(0).dataType) }
  }
}
