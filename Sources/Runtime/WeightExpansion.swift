import ModelFormat

/// Weights that the file stores in fewer bits than they are computed with: float16, bfloat16, and
/// integers with a quantisation record. They are expanded to float32 once, when the model is opened.
enum WeightExpansion {
  static func isExpanded(_ r: TensorRecord) -> Bool {
    r.dataType == DataType.float16.rawValue || r.dataType == DataType.bfloat16.rawValue
      || r.quantization != Format.none
  }

  /// The number of elements where the weight needs expanding, else nil.
  static func expandedCount(_ file: ModelFile, _ r: TensorRecord) -> Int? {
    isExpanded(r) ? file.declaredShape(r).count : nil
  }

  /// Bytes of `elements` float32, up to the next multiple of the format's alignment.
  static func byteCount(_ elements: Int) -> Int {
    (elements * 4 + Format.alignment - 1) / Format.alignment * Format.alignment
  }

  static func expand(
    _ file: ModelFile, _ r: TensorRecord, into y: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    let x = file.weightBytes(r.offset)
    switch DataType(rawValue: r.dataType)! {
    case .float16:
      for i in 0..<count {
        y[i] = float(half: x.loadUnaligned(fromByteOffset: i * 2, as: UInt16.self))
      }
    case .bfloat16:
      for i in 0..<count {
        let bits = x.loadUnaligned(fromByteOffset: i * 2, as: UInt16.self)
        y[i] = Float(bitPattern: UInt32(bits) << 16)
      }
    case let type:
      dequantize(file, r, type, x, y, count)
    }
  }

  /// real = scale · (stored − zero point), by the index of the quantisation's axis.
  private static func dequantize(
    _ file: ModelFile, _ r: TensorRecord, _ type: DataType, _ x: UnsafeRawPointer,
    _ y: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    let q = file.quantization(Int(r.quantization))
    let shape = file.declaredShape(r)
    let channels = Int(q.count)
    let inner = q.axis < 0 ? max(count, 1) : max(shape.product(Int(q.axis) + 1, shape.rank), 1)
    let scales = file.weightBytes(q.scales)
    let zeroPoints = q.zeroPoints == Format.noOffset ? nil : file.weightBytes(q.zeroPoints)
    for i in 0..<count {
      let channel = i / inner % channels
      let scale = scales.loadUnaligned(fromByteOffset: channel * 4, as: Float.self)
      let zero = zeroPoints?.loadUnaligned(fromByteOffset: channel * 4, as: Int32.self) ?? 0
      let stored: Int64 =
        switch type {
        case .int8: Int64(x.load(fromByteOffset: i, as: Int8.self))
        case .uint8: Int64(x.load(fromByteOffset: i, as: UInt8.self))
        default: Int64(x.loadUnaligned(fromByteOffset: i * 4, as: Int32.self))
        }
      y[i] = scale * Float(stored - Int64(zero))
    }
  }

  /// IEEE 754 binary16 to binary32, exactly, without the instruction that older processors lack.
  static func float(half: UInt16) -> Float {
    let sign = UInt32(half & 0x8000) << 16
    let magnitude = UInt32(half & 0x7FFF)
    if magnitude >= 0x7C00 {  // infinity, NaN
      return Float(bitPattern: sign | 0x7F80_0000 | (magnitude & 0x3FF) << 13)
    }
    if magnitude < 0x0400 {  // zero and denormals: value = magnitude · 2⁻²⁴
      let value = Float(magnitude) * Float(bitPattern: 0x3380_0000)
      return Float(bitPattern: sign | value.bitPattern)
    }
    return Float(bitPattern: sign | (magnitude << 13 &+ 0x3800_0000))
  }
}
