extension NumPyArray {
  /// Reads a .npy file.
  public init(contentsOf path: String) throws {
    try self.init(npy: readBytes(ofFile: path)[...], file: path)
  }

  /// Reads the bytes of a .npy file. Bytes behind the last element are left alone, as NumPy does.
  ///
  /// - Parameter file: What errors call it.
  public init(npy bytes: ArraySlice<UInt8>, file: String) throws {
    let header = try NumPyHeader(bytes, file: file)
    let available = bytes.count - header.dataOffset
    guard header.byteCount <= available else {
      throw NumPyError(
        "\(file): the elements are cut off: \(header.byteCount) bytes wanted for shape "
          + "\(header.shape) of \(header.type), \(available) left")
    }
    let start = bytes.startIndex + header.dataOffset
    var data = Array(bytes[start..<start + header.byteCount])
    let size = header.type.size
    if header.isBigEndian && size > 1 {
      for i in stride(from: 0, to: data.count, by: size) { data[i..<i + size].reverse() }
    }
    if header.isFortranOrder && header.shape.count > 1 && !data.isEmpty {
      data = NumPyArray.cOrder(data, shape: header.shape, size: size)
    }
    self.init(type: header.type, shape: header.shape, bytes: data)
  }

  /// Elements in Fortran order (the first index runs fastest), put in C order.
  private static func cOrder(_ source: [UInt8], shape: [Int], size: Int) -> [UInt8] {
    var strides: [Int] = []
    var stride = size
    for d in shape {
      strides.append(stride)
      stride *= d
    }
    var index = [Int](repeating: 0, count: shape.count)
    var from = 0
    var result: [UInt8] = []
    result.reserveCapacity(source.count)
    while true {
      result.append(contentsOf: source[from..<from + size])
      var axis = shape.count - 1
      while axis >= 0 {
        index[axis] += 1
        from += strides[axis]
        if index[axis] < shape[axis] { break }
        from -= strides[axis] * shape[axis]
        index[axis] = 0
        axis -= 1
      }
      if axis < 0 { return result }
    }
  }

  /// The bytes of a .npy file, version 1.0 (2.0 where the header does not fit), elements aligned
  /// to 64 bytes, C order, little-endian.
  public func npy() -> [UInt8] {
    let order = type.size == 1 ? "|" : "<"
    let dimensions = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var text = Array(
      "{'descr': '\(order)\(type.code)', 'fortran_order': False, 'shape': (\(dimensions)), }".utf8)
    let lengthSize = text.count + 64 + 10 <= 0xFFFF ? 2 : 4
    while (NumPyHeader.magic.count + 2 + lengthSize + text.count + 1) % 64 != 0 { text.append(0x20) }
    text.append(0x0A)
    var file = NumPyHeader.magic + [lengthSize == 2 ? 1 : 2, 0]
    for i in 0..<lengthSize { file.append(UInt8(truncatingIfNeeded: text.count >> (8 * i))) }
    return file + text + bytes
  }

  /// Writes a .npy file.
  public func write(to path: String) throws {
    try writeBytes(npy(), toFile: path)
  }
}
