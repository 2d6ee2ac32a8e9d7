import ModelFormat

/// The scale and the zero point of one tensor of 8 bits, a number each: x = (q − zero point) · scale.
struct QLinearScale {
  let type: DataType
  private let scaleSlot: Slot
  private let zeroSlot: Slot?

  /// From inputs `i` and `i + 1`.
  @inline(never)
  init(_ context: PlanContext, _ i: Int, _ type: DataType) {
    self.type = type
    scaleSlot = context.input(i)
    zeroSlot = context.optionalInput(i + 1)
  }

  @inline(never)
  func read(_ memory: Memory) -> (scale: Float, zero: Float) {
    (memory.floats(scaleSlot)[0], Float(memory.integer(zeroSlot, 0, type)))
  }
}

/// saturate(round(v) + zero point) in a type of 8 bits, halves to even. Where the zero point is part
/// of v already, it is 0 here.
struct ByteRounding {
  private let lower: Float
  private let upper: Float
  private let zero: UInt8

  init(_ type: DataType, zero: Float = 0) {
    lower = Float(type.byteRange.lower) - zero
    upper = Float(type.byteRange.upper) - zero
    self.zero = UInt8(truncatingIfNeeded: Int(zero))
  }

  /// The integer, as its byte; the smallest for NaN.
  @inline(__always) func byte(_ v: Float) -> UInt8 {
    let raised = v > lower ? v : lower
    let clipped = raised < upper ? raised : upper
    // 1.5 · 2^23: the sum's last place is 1.
    return UInt8(truncatingIfNeeded: (clipped + 12_582_912).bitPattern) &+ zero
  }
}

extension UInt8 {
  /// The number that a byte of a type stands for; `flip` is the type's.
  @inline(__always) func number(_ flip: Int32) -> Float {
    Float((Int32(self) ^ flip) &- flip)
  }
}

extension NodeContext {
  /// Checks input `i`, a tensor of 8 bits of `type` where that is given, and inputs `scale` and
  /// `scale + 1`, its scale and zero point, a single number each, of which the latter may be left out.
  ///
  /// - Returns: The tensor's type.
  @discardableResult @inline(never)
  func requireQuantized(
    _ i: Int, scale: Int, _ type: DataType? = nil
  ) throws(ApusError) -> DataType {
    let own = optionalInput(i)?.dataType ?? .float32
    try require(
      own == type ?? own && (own == .int8 || own == .uint8), .invalidType,
      "input \(i) must be int8 or uint8, the same for all, and is \(own)")
    try requireType(scale, .float32)
    try requireType(scale + 1, own)
    for k in scale...scale + 1 {
      try require(
        optionalInput(k)?.shape.count ?? (k - scale) == 1, .unsupported,
        "input \(k) must be a single number")
    }
    return own
  }
}
