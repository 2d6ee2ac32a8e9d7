import ModelFormat
import NumPyFile

/// What the bytes of an input stand for: x = scale · (q − zero).
struct InputQuantization {
  private let type: DataType
  private let scale: Float
  private let zero: Int32

  /// nil where it has no scale to divide by.
  init?(_ opened: OpenedModel, tensor t: Int) {
    let record = opened.file.tensor(t)
    guard let type = DataType(rawValue: record.dataType), type == .uint8 || type == .int8,
      let (scale, zero) = opened.file.linearParameters(record), scale > 0, scale.isFinite
    else { return nil }
    self.type = type
    self.scale = scale
    self.zero = zero
  }

  /// An array of floats as such integers; nil where it holds none.
  func rounded(_ array: NumPyArray) -> NumPyArray? {
    guard array.type == .float32 else { return nil }
    return NumPyArray(
      type: type == .int8 ? .int8 : .uint8, shape: array.shape, bytes: rounded(array.floats()))
  }

  /// The bytes of the integers nearest to numbers, halves to even.
  func rounded(_ numbers: [Float]) -> [UInt8] {
    let lower: Float = type == .int8 ? -128 : 0
    return numbers.map { x in
      let q = (x / scale).rounded(.toNearestOrEven) + Float(zero)
      // Of NaN the smallest, as QuantizeLinear makes it.
      return UInt8(truncatingIfNeeded: Int32(q > lower ? min(q, lower + 255) : lower))
    }
  }

  /// Writes what bytes stand for as float32.
  func write(_ bytes: UnsafeRawPointer, _ count: Int, to y: UnsafeMutableRawPointer) {
    for i in 0..<count {
      let byte = bytes.load(fromByteOffset: i, as: UInt8.self)
      let q = type == .int8 ? Int32(Int8(bitPattern: byte)) : Int32(byte)
      y.storeBytes(of: scale * (Float(q) - Float(zero)), toByteOffset: 4 * i, as: Float.self)
    }
  }
}
