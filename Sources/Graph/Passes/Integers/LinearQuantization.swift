import ModelFormat

/// The parameters of a QuantizeLinear or DequantizeLinear, where they are constants:
///
///     q = saturate(round(x / scale) + zero point),   x = (q − zero point) · scale.
public struct LinearQuantization {
  /// Of the integers.
  let type: DataType
  /// nil: one scale and zero point for all.
  let axis: Int?
  let scales: [Float]
  let zeros: [Int32]
  /// The same as values that nodes can read; the zero point is made where it was left out.
  let scale: Value
  let zero: Value

  /// One pair for a tensor of 8 bits; nil where a parameter is no constant.
  public init?(_ type: DataType, _ scale: Value?, _ zero: Value?) {
    guard let scale, scale.hasRealFloats, let number = scale.realFloats.first,
      scale.count == 1, number > 0, number.isFinite, type == .int8 || type == .uint8
    else { return nil }
    self.type = type
    axis = nil
    scales = [number]
    self.scale = scale
    if let zero {
      guard zero.dataType == type, let elements = zero.smallIntegers, elements.count == 1 else {
        return nil
      }
      zeros = elements
      self.zero = zero
    } else {
      zeros = [0]
      self.zero = Value(scale.name + ".zero_point", type, [], kind: .weight, bytes: [0])
    }
  }

  /// - Returns: nil where a parameter is no constant, or belongs to a block.
  init?(_ node: Node) {
    guard node.op == "QuantizeLinear" || node.op == "DequantizeLinear",
      node.int("block_size", default: 0) == 0, let scale = node.input(1), scale.hasRealFloats,
      let integers = node.op == "QuantizeLinear" ? node.outputs[0] : node.input(0),
      integers.kind != .weight || integers.quantization == nil
    else { return nil }
    type = integers.dataType
    scales = scale.realFloats
    self.scale = scale
    if let zero = node.input(2) {
      guard let elements = zero.smallIntegers, elements.count == scales.count else { return nil }
      zeros = elements
      self.zero = zero
    } else {
      zeros = [Int32](repeating: 0, count: scales.count)
      self.zero = Value(
        scale.name + ".zero_point", type, scale.shape, kind: .weight,
        bytes: [UInt8](repeating: 0, count: scales.count * type.size))
    }
    guard !scales.isEmpty, scales.allSatisfy({ $0 > 0 && $0.isFinite }) else { return nil }
    if scales.count == 1 {
      axis = nil
    } else {
      guard let rank = node.input(0)?.shape?.count else { return nil }
      let stated = node.int("axis", default: 1)
      axis = stated < 0 ? stated + rank : stated
    }
  }

  /// One pair for the tensor, and integers of 8 bits.
  var isForBytes: Bool { axis == nil && (type == .int8 || type == .uint8) }

  var range: ClosedRange<Int32> { type == .int8 ? -128...127 : 0...255 }

  /// The same for bytes of the other type, whose numbers are 128 apart; one pair for the tensor.
  func retyped(_ type: DataType) -> LinearQuantization {
    LinearQuantization(
      type, scale, constant(zero.name, zeros[0] + (type == .int8 ? -128 : 128), type)) ?? self
  }

  func isSame(as other: LinearQuantization) -> Bool {
    type == other.type && axis == other.axis && scales == other.scales && zeros == other.zeros
  }

  /// The integer of a number; one pair for the tensor.
  func quantized(_ x: Float) -> Int32 {
    let q = (x / scales[0]).rounded(.toNearestOrEven) + Float(zeros[0])
    if !(q > Float(range.lowerBound)) { return range.lowerBound }
    return q < Float(range.upperBound) ? Int32(q) : range.upperBound
  }

  /// A constant of the type of the integers, or another.
  func constant(_ name: String, _ q: Int32, _ other: DataType? = nil) -> Value {
    Value(name, other ?? type, [], kind: .weight, bytes: [UInt8(truncatingIfNeeded: q)])
  }
}

extension Value {
  /// The elements of an int8, uint8 or int32 weight.
  public var smallIntegers: [Int32]? {
    guard kind == .weight, quantization == nil else { return nil }
    switch dataType {
    case .uint8: return bytes.map { Int32($0) }
    case .int8: return bytes.map { Int32(Int8(bitPattern: $0)) }
    case .int32: return integers.map { Int32(truncatingIfNeeded: $0) }
    default: return nil
    }
  }
}
