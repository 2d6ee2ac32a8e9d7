import ModelFormat

/// Which scale and zero point belongs to which element of X, for QuantizeLinear and
/// DequantizeLinear: one for all; one for each index of `axis`; or, where block_size is set, one
/// for every block_size indices of it at each place of the other axes.
struct QuantizationParameters {
  /// 0: one for all. Else indices of the axis, and elements from one to the next.
  private var length = 0
  private var inner = 1
  /// 0: not in blocks.
  private var block = 0
  private var blocks = 0
  let total: Int

  /// Inputs: X, scale, zero point (optional, as the scale).
  init(_ context: NodeContext) throws(ApusError) {
    let x = context.input(0).shape
    let scale = context.input(1).shape
    total = x.count
    block = context.int("block_size", default: 0)
    try context.requireType(1, .float32)
    // ONNX Runtime's quantiser writes a scale [1] and a zero point [].
    if scale.count != 1 || context.optionalInput(2)?.shape.count != 1 {
      try context.requireShape(2, scale)
    }
    try context.require(block >= 0, .invalidModel, "block_size is \(block)")
    if block == 0 && scale.count == 1 { return }
    let axis = try context.normalizedAxis(context.int("axis", default: 1), rank: x.rank)
    length = x[axis]
    inner = x.product(axis + 1, x.rank)
    var wanted = Shape(length)
    if block > 0 {
      blocks = length / block + (length % block == 0 ? 0 : 1)
      wanted = x
      wanted[axis] = blocks
    }
    try context.require(
      scale == wanted, "the scale is \(scale); \(wanted) is wanted for an input of \(x)")
  }

  /// Calls `body` with (first element, elements, index of the parameters) for all of `part`.
  @inline(__always)
  func forEachRun(_ part: Range<Int>, _ body: (Int, Int, Int) -> Void) {
    var i = part.lowerBound
    while i < part.upperBound {
      var count = part.upperBound - i
      var index = 0
      if length > 0 {
        let line = i / inner
        let column = i - line * inner
        let outer = line / length
        let position = line - outer * length
        if block == 0 {
          index = position
          count = min(count, inner - column)
        } else {
          index = (outer * blocks + position / block) * inner + column
          let rest = min(block - position % block, length - position)
          count = inner == 1 ? min(count, rest) : 1
        }
      }
      body(i, count, index)
      i += count
    }
  }
}

extension DataType {
  /// What makes a number of this type of 8 bits a byte without a sign: 128 for int8, which it gains, or
  /// whose bit is flipped.
  var flip: UInt8 { self == .int8 ? 0x80 : 0 }

  /// The values that this type of 8 bits holds.
  var byteRange: (lower: Int32, upper: Int32) { self == .int8 ? (-128, 127) : (0, 255) }
}

extension UnsafeRawPointer {
  /// Element `i`, an int8, uint8 or int32.
  public func integer(_ i: Int, _ type: DataType) -> Int32 {
    switch type {
    case .int8: Int32(load(fromByteOffset: i, as: Int8.self))
    case .int32: load(fromByteOffset: i * 4, as: Int32.self)
    default: Int32(load(fromByteOffset: i, as: UInt8.self))
    }
  }
}

extension Memory {
  /// Element `i` of a slot; 0 where there is none.
  func integer(_ slot: Slot?, _ i: Int, _ type: DataType) -> Int32 {
    slot.map { UnsafeRawPointer(self[$0]).integer(i, type) } ?? 0
  }
}

extension NodeContext {
  /// Input `i` is of 8 bits, and so is its zero point.
  func requireBytes(_ i: Int, zero: Int) throws(ApusError) {
    let type = input(i).dataType
    try require(
      type == .int8 || type == .uint8, .invalidType,
      "input \(i) must be int8 or uint8 and is \(type)")
    try requireType(zero, type)
  }

  /// The type that the attribute output_dtype names by ONNX's number; nil where it leaves it open.
  func outputType() throws(ApusError) -> DataType? {
    switch int("output_dtype", default: 0) {
    case 0: return nil
    case 1: return .float32
    case 2: return .uint8
    case 3: return .int8
    case let other: throw error(.unsupported, "output_dtype is ONNX type \(other)")
    }
  }
}
