import ModelFormat

extension Value {
  /// Whether it is a weight of real numbers, however wide they are stored.
  public var hasRealFloats: Bool {
    kind == .weight && quantization == nil
      && (dataType == .float32 || dataType == .float16 || dataType == .bfloat16)
  }

  /// The numbers of such a weight.
  public var realFloats: [Float] {
    if dataType == .float32 { return floats }
    let isHalf = dataType == .float16
    return bytes.withUnsafeBytes { source in
      (0..<bytes.count / 2).map {
        let bits = source.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)
        return isHalf ? Float(Float16(bitPattern: bits)) : Float(bitPattern: UInt32(bits) << 16)
      }
    }
  }

  /// A weight like this one with other numbers, stored as wide as this one where they fit; nil
  /// where one of them is not finite.
  func holding(_ numbers: [Float]) -> Value? {
    guard numbers.allSatisfy(\.isFinite), let shape = fixedShape else { return nil }
    let result = Value(name, shape, floats: numbers)
    result.isTrainable = isTrainable
    if dataType == .float16, numbers.allSatisfy({ abs($0) <= 65504 }) {
      result.dataType = .float16
      result.bytes = numbers.map { Float16($0).bitPattern }.withUnsafeBytes { [UInt8]($0) }
    }
    return result
  }

  /// The number of a float32 weight of one element.
  var scalar: Float? {
    hasRealFloats && count == 1 ? realFloats.first : nil
  }

  /// The elements of an integer weight.
  var constantIntegers: [Int]? {
    kind == .weight && (dataType == .int64 || dataType == .int32) ? integers : nil
  }

  /// The shape, where it is known before a run.
  var knownShape: [Dimension]? { isBound ? nil : shape }
}
