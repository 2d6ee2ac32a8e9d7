import ModelFormat
import Operators

/// A tensor's elements as float64, whatever their type.
func elements(_ data: UnsafeRawPointer, _ type: DataType, _ count: Int) -> [Double] {
  (0..<count).map { i in
    switch type {
    case .float32: Double(data.load(fromByteOffset: i * 4, as: Float.self))
    case .float16: Double(Float16(bitPattern: data.load(fromByteOffset: i * 2, as: UInt16.self)))
    case .bfloat16:
      Double(Float(bitPattern: UInt32(data.load(fromByteOffset: i * 2, as: UInt16.self)) << 16))
    case .int8: Double(data.load(fromByteOffset: i, as: Int8.self))
    case .uint8, .bool: Double(data.load(fromByteOffset: i, as: UInt8.self))
    case .int32: Double(data.load(fromByteOffset: i * 4, as: Int32.self))
    case .int64: Double(data.load(fromByteOffset: i * 8, as: Int64.self))
    }
  }
}

/// The range of a tensor's finite elements.
struct ValueRange {
  var min = Double.infinity
  var max = -Double.infinity
  var mean = 0.0
  /// Elements that are infinite or no number.
  var nonFinite = 0

  init(_ values: [Double]) {
    var sum = 0.0
    for v in values {
      guard v.isFinite else {
        nonFinite += 1
        continue
      }
      min = Swift.min(min, v)
      max = Swift.max(max, v)
      sum += v
    }
    mean = sum / Double(values.count - nonFinite)
  }
}
