/// An array as NumPy keeps it in a file: a type, a shape, and the elements in C order (the last
/// index runs fastest) in this machine's byte order.
public struct NumPyArray: Equatable, Sendable {
  public let type: NumPyType
  public let shape: [Int]
  /// `count * type.size` bytes.
  public let bytes: [UInt8]

  /// - Precondition: `bytes` has as many bytes as `type` and `shape` need.
  public init(type: NumPyType, shape: [Int], bytes: [UInt8]) {
    precondition(bytes.count == shape.reduce(type.size, *), "bytes do not fill the shape")
    self.type = type
    self.shape = shape
    self.bytes = bytes
  }

  public init(_ values: [Float], shape: [Int]) {
    self.init(type: .float32, shape: shape, bytes: values.withUnsafeBytes(Array.init))
  }

  public init(_ values: [Double], shape: [Int]) {
    self.init(type: .float64, shape: shape, bytes: values.withUnsafeBytes(Array.init))
  }

  public init(_ values: [Int64], shape: [Int]) {
    self.init(type: .int64, shape: shape, bytes: values.withUnsafeBytes(Array.init))
  }

  public init(_ values: [Int32], shape: [Int]) {
    self.init(type: .int32, shape: shape, bytes: values.withUnsafeBytes(Array.init))
  }

  /// Elements: the product of the shape, 1 for a scalar.
  public var count: Int { bytes.count / type.size }

  /// The elements as float32, rounded to nearest where they do not fit.
  public func floats() -> [Float] {
    switch type {
    case .bool: elements(UInt8.self).map { $0 == 0 ? 0 : 1 }
    case .int8: elements(Int8.self).map { Float($0) }
    case .int16: elements(Int16.self).map { Float($0) }
    case .int32: elements(Int32.self).map { Float($0) }
    case .int64: elements(Int64.self).map { Float($0) }
    case .uint8: elements(UInt8.self).map { Float($0) }
    case .uint16: elements(UInt16.self).map { Float($0) }
    case .uint32: elements(UInt32.self).map { Float($0) }
    case .uint64: elements(UInt64.self).map { Float($0) }
    case .float16: elements(UInt16.self).map { Float(Float16(bitPattern: $0)) }
    case .float32: elements(Float.self)
    case .float64: elements(Double.self).map { Float($0) }
    }
  }

  /// The elements as float64; integers beyond 2⁵³ are rounded to nearest.
  public func doubles() -> [Double] {
    switch type {
    case .int32: elements(Int32.self).map { Double($0) }
    case .int64: elements(Int64.self).map { Double($0) }
    case .uint32: elements(UInt32.self).map { Double($0) }
    case .uint64: elements(UInt64.self).map { Double($0) }
    case .float64: elements(Double.self)
    default: floats().map { Double($0) }  // the rest fits a float exactly
    }
  }

  /// The elements as integers, or nil where one is no whole number or does not fit.
  public func integers() -> [Int]? {
    switch type {
    case .bool: return elements(UInt8.self).map { $0 == 0 ? 0 : 1 }
    case .int8: return elements(Int8.self).map { Int($0) }
    case .int16: return elements(Int16.self).map { Int($0) }
    case .int32: return elements(Int32.self).map { Int($0) }
    case .int64: return elements(Int64.self).map { Int($0) }
    case .uint8: return elements(UInt8.self).map { Int($0) }
    case .uint16: return elements(UInt16.self).map { Int($0) }
    case .uint32: return elements(UInt32.self).map { Int($0) }
    case .uint64: return all(elements(UInt64.self)) { Int(exactly: $0) }
    case .float16, .float32, .float64: return all(doubles()) { Int(exactly: $0) }
    }
  }

  private func all<T>(_ values: [T], _ convert: (T) -> Int?) -> [Int]? {
    var result: [Int] = []
    result.reserveCapacity(values.count)
    for value in values {
      guard let integer = convert(value) else { return nil }
      result.append(integer)
    }
    return result
  }

  private func elements<T>(_: T.Type) -> [T] {
    bytes.withUnsafeBytes { raw in
      [T](unsafeUninitializedCapacity: count) { buffer, initialized in
        UnsafeMutableRawBufferPointer(buffer).copyMemory(from: raw)
        initialized = count
      }
    }
  }
}
