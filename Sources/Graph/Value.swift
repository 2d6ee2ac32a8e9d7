import ModelFormat

/// A tensor of a graph: something that nodes read or write.
///
/// Values have identity: two nodes share a tensor where they refer to the same object.
public final class Value {
  /// What the model calls it. Function inputs, outputs and states need a name; for the others it is
  /// what people read in reports. "" where there is none.
  public var name: String
  public var dataType: DataType
  /// nil: not known yet (a node's output before shapes are inferred).
  public var shape: [Dimension]?
  public var kind: TensorKind
  /// A weight's elements, little-endian and row-major; a state's initial value, empty for zeros.
  public var bytes: [UInt8]
  public var quantization: Quantization?
  /// Dimensions that the value does not exceed, where its model states them: how much memory it gets
  /// if only a run finds its shape.
  public var bound: [Int]?
  /// Only a run finds the shape; `shape` is the bound. Set by shape inference.
  public internal(set) var isBound = false
  /// A weight that training may change. Not part of the file.
  public var isTrainable = false

  public init(
    _ name: String = "", _ dataType: DataType = .float32, _ shape: [Dimension]? = nil,
    kind: TensorKind = .activation, bytes: [UInt8] = []
  ) {
    self.name = name
    self.dataType = dataType
    self.shape = shape
    self.kind = kind
    self.bytes = bytes
  }

  /// What stands in a body for a tensor around it, or for one that it carries.
  public convenience init(_ name: String = "", standingFor outer: Value) {
    self.init(name, outer.logicalType, outer.shape)
    isBound = outer.isBound
  }

  /// A weight made of numbers.
  public convenience init(_ name: String = "", _ shape: [Int], floats: [Float]) {
    precondition(floats.count == shape.reduce(1, *))
    self.init(
      name, .float32, shape.map { .fixed($0) }, kind: .weight,
      bytes: floats.withUnsafeBytes { [UInt8]($0) })
  }

  /// A weight made of int64, as shapes and axes are.
  public convenience init(_ name: String = "", _ shape: [Int], integers: [Int]) {
    precondition(integers.count == shape.reduce(1, *))
    self.init(
      name, .int64, shape.map { .fixed($0) }, kind: .weight,
      bytes: integers.map { Int64($0) }.withUnsafeBytes { [UInt8]($0) })
  }

  /// A weight made of int32, as tokens are.
  public convenience init(_ name: String = "", _ shape: [Int], int32 numbers: [Int32]) {
    precondition(numbers.count == shape.reduce(1, *))
    self.init(
      name, .int32, shape.map { .fixed($0) }, kind: .weight,
      bytes: numbers.withUnsafeBytes { [UInt8]($0) })
  }

  /// The shape, where no dimension of it is free.
  public var fixedShape: [Int]? {
    guard let shape else { return nil }
    var result: [Int] = []
    for case .fixed(let d) in shape { result.append(d) }
    return result.count == shape.count ? result : nil
  }

  /// Elements, where the shape is fixed and they can be counted.
  public var count: Int? {
    guard let shape = fixedShape, shape.count <= Shape.maximumRank else { return nil }
    return Shape(shape).checkedCount
  }

  /// The elements of a float32 weight or state.
  public var floats: [Float] {
    get {
      let n = bytes.count / 4
      return bytes.withUnsafeBytes { source in
        (0..<n).map { source.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
      }
    }
    set { bytes = newValue.withUnsafeBytes { [UInt8]($0) } }
  }

  /// The elements of an int64 or int32 weight.
  public var integers: [Int] {
    bytes.withUnsafeBytes { source in
      dataType == .int32
        ? (0..<bytes.count / 4).map {
          Int(source.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self))
        }
        : (0..<bytes.count / 8).map {
          Int(source.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self))
        }
    }
  }

  /// The type that operators see: a weight stored in fewer bits counts as float32.
  public var logicalType: DataType {
    guard kind == .weight else { return dataType }
    return dataType == .float16 || dataType == .bfloat16 || quantization != nil
      ? .float32 : dataType
  }
}

/// A dimension of a tensor.
public enum Dimension: Equatable, ExpressibleByIntegerLiteral, CustomStringConvertible {
  case fixed(Int)
  /// Bound when a session is created; free dimensions of one name must agree. "" has no name.
  case free(String)

  public init(integerLiteral value: Int) { self = .fixed(value) }

  public var fixed: Int? { if case .fixed(let d) = self { d } else { nil } }

  public var description: String {
    switch self {
    case .fixed(let d): String(d)
    case .free(let name): name.isEmpty ? "?" : name
    }
  }
}

/// real = scale · (stored − zero point), one pair for the tensor or one for each index of `axis`.
public struct Quantization: Equatable {
  public var axis: Int?
  public var scales: [Float]
  /// As many as scales, or none where all are 0.
  public var zeroPoints: [Int32]

  public init(axis: Int? = nil, scales: [Float], zeroPoints: [Int32] = []) {
    self.axis = axis
    self.scales = scales
    self.zeroPoints = zeroPoints
  }
}
