import COnnx
import Foundation

extension TensorProto {
  /// Lets go of the message's bytes once they are copied: the large ones never lie there twice all
  /// at the same time.
  init(moving p: UnsafeMutablePointer<Onnx__TensorProto>) {
    self.init(p.pointee)
    // It was unpacked with the standard allocator, and is freed without what is not there.
    free(p.pointee.raw_data.data)
    p.pointee.raw_data = ProtobufCBinaryData(len: 0, data: nil)
  }

  init(_ p: Onnx__TensorProto) {
    name = text(p.name)
    type = ElementType(p.data_type)
    dimensions = numbers(p.dims, p.n_dims).map { Int($0) }
    elements = Elements(p, type, dimensions)
  }

  /// Elements of the shape; nil where it is none, or too large to count.
  var count: Int? {
    var count = 1
    for d in dimensions {
      let (product, overflow) = count.multipliedReportingOverflow(by: d)
      if d < 0 || overflow { return nil }
      count = product
    }
    return count
  }
}

extension TensorProto.Elements {
  fileprivate init(_ p: Onnx__TensorProto, _ type: ElementType, _ dimensions: [Int]) {
    if p.segment != nil {
      self = .unreadable("it is stored in segments, which no exporter writes any more")
      return
    }
    if p.has_data_location != 0, p.data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL {
      self.init(external: p)
      return
    }
    if p.has_raw_data != 0 {
      self = .bytes(numbers(p.raw_data.data, p.raw_data.len))
      return
    }
    // Which field holds which type: the comments of onnx.proto.
    switch type.number {
    case 1: self = .bytes(elements(p.float_data, p.n_float_data))
    case 7: self = .bytes(elements(p.int64_data, p.n_int64_data))
    case 6: self = .bytes(elements(p.int32_data, p.n_int32_data))
    case 2, 3, 9, 17, 18, 19, 20, 24: self = .bytes(low(p.int32_data, p.n_int32_data, UInt8.self))
    case 4, 5, 10, 16: self = .bytes(low(p.int32_data, p.n_int32_data, UInt16.self))
    case 11: self = .bytes(elements(p.double_data, p.n_double_data))
    case 12:
      self = .bytes(low(p.uint64_data, p.n_uint64_data, UInt32.self))
    case 13: self = .bytes(elements(p.uint64_data, p.n_uint64_data))
    default: self = .unreadable("its elements are \(type.name)")
    }
  }

  private init(external p: Onnx__TensorProto) {
    var location = ""
    var offset = 0
    var length: Int?
    for (key, value) in list(p.external_data, p.n_external_data, { (text($0.key), text($0.value)) })
    {
      switch key {
      case "location": location = value
      case "offset", "length":
        guard let number = Int(value), number >= 0 else {
          self = .unreadable("the \(key) of its external data is \(value)")
          return
        }
        if key == "offset" { offset = number } else { length = number }
      default: break  // checksum, basepath
      }
    }
    self = .external(location: location, offset: offset, length: length)
  }
}

private func elements<T>(_ p: UnsafeMutablePointer<T>?, _ count: Int) -> [UInt8] {
  [UInt8](UnsafeRawBufferPointer(UnsafeBufferPointer(start: p, count: count)))
}

/// Elements that stand in a field of larger ones.
private func low<T: FixedWidthInteger>(
  _ p: UnsafeMutablePointer<some FixedWidthInteger>?, _ count: Int, _: T.Type
) -> [UInt8] {
  let size = MemoryLayout<T>.size
  return [UInt8](unsafeUninitializedCapacity: count * size) { buffer, filled in
    for (i, element) in UnsafeBufferPointer(start: p, count: count).enumerated() {
      UnsafeMutableRawBufferPointer(buffer).storeBytes(
        of: T(truncatingIfNeeded: element), toByteOffset: i * size, as: T.self)
    }
    filled = count * size
  }
}
