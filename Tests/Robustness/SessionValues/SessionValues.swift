import ModelFormat
import Runtime

extension Session {
  /// Small numbers, the same on every call.
  public func fillInputs() {
    for i in plan.inputTensors.indices {
      let info = info(input: i)
      let data = data(input: i)
      for k in 0..<info.shape.count {
        switch info.dataType {
        case .float32:
          data.storeBytes(of: Float(k % 17) * 0.125 - 1, toByteOffset: k * 4, as: Float.self)
        case .int32: data.storeBytes(of: Int32(k % 5), toByteOffset: k * 4, as: Int32.self)
        case .int64: data.storeBytes(of: Int64(k % 5), toByteOffset: k * 8, as: Int64.self)
        case .bool: data.storeBytes(of: UInt8(k % 2), toByteOffset: k, as: UInt8.self)
        case .int8, .uint8: data.storeBytes(of: UInt8(k % 5), toByteOffset: k, as: UInt8.self)
        case .float16, .bfloat16:
          data.storeBytes(of: UInt16(k % 5) << 10, toByteOffset: k * 2, as: UInt16.self)
        }
      }
    }
  }

  /// All outputs, one after another.
  public var outputBytes: [UInt8] {
    var bytes: [UInt8] = []
    for i in plan.outputTensors.indices {
      bytes += UnsafeRawBufferPointer(start: data(output: i), count: info(output: i).byteCount)
    }
    return bytes
  }
}
