import NumPyFile

/// Reads MNIST's own format: one IDX file of images, one of labels, each plain or gzipped.
///
/// IDX (Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database"): two zero bytes, the element
/// type (8 = unsigned byte …), the rank, the dimensions as big-endian 32-bit numbers, the elements
/// in C order, big-endian.
public struct IDXReader {
  public init() {}

  /// - Parameters:
  ///   - images: Rank 2 or more, samples along the first axis. Rank 3 (samples, rows, columns) gets
  ///     a channel axis of 1.
  ///   - labels: Rank 1, unsigned bytes.
  public func read(images: String, labels: String) throws -> Samples {
    let x = try IDXArray(dataBytes(images), file: images)
    let y = try IDXArray(dataBytes(labels), file: labels)
    guard x.shape.count >= 2, let count = x.shape.first, count > 0 else {
      throw DataError("\(images): images must have samples and rows, and the shape is \(x.shape)")
    }
    guard y.shape.count == 1, y.type == 0x08 else {
      throw DataError("\(labels): labels must be a row of unsigned bytes, and the shape is \(y.shape)")
    }
    guard y.shape[0] == count else {
      throw DataError("\(labels): \(y.shape[0]) labels, and \(images) has \(count) images")
    }
    var shape = Array(x.shape.dropFirst())
    if shape.count == 2 { shape.insert(1, at: 0) }
    let numbers = y.bytes.map { Int32($0) }
    return Samples(
      storage: x.type == 0x08 ? .bytes(x.bytes) : .floats(x.floats()), shape: shape,
      targets: try classes(ofNumbers: numbers, highest: numbers.max()!, file: labels), count: count)
  }
}

/// What an IDX file holds.
struct IDXArray {
  let type: UInt8
  let shape: [Int]
  /// The elements, big-endian as in the file.
  let bytes: [UInt8]

  init(_ raw: [UInt8], file: String) throws {
    var whole = raw
    if raw.starts(with: [0x1F, 0x8B]) {
      guard let unpacked = inflate(raw[...], wrapper: .gzip) else {
        throw DataError("\(file): the gzip data are damaged or cut off")
      }
      whole = unpacked
    }
    let sizes: [UInt8: Int] = [0x08: 1, 0x09: 1, 0x0B: 2, 0x0C: 4, 0x0D: 4, 0x0E: 8]
    guard whole.count >= 4, whole[0] == 0, whole[1] == 0, let size = sizes[whole[2]], whole[3] > 0
    else { throw DataError("\(file): not an IDX file (its magic number is wrong)") }
    let rank = Int(whole[3])
    guard whole.count >= 4 + 4 * rank else { throw DataError("\(file): the header is cut off") }
    var shape: [Int] = []
    var byteCount = size
    for axis in 0..<rank {
      var dimension = 0
      for i in 0..<4 { dimension = dimension << 8 | Int(whole[4 + 4 * axis + i]) }
      shape.append(dimension)
      let (product, overflow) = byteCount.multipliedReportingOverflow(by: dimension)
      guard !overflow else { throw DataError("\(file): the shape \(shape) is too large") }
      byteCount = product
    }
    guard whole.count - 4 - 4 * rank == byteCount else {
      throw DataError(
        "\(file): \(whole.count - 4 - 4 * rank) bytes of data, and the shape \(shape) needs \(byteCount)")
    }
    type = whole[2]
    self.shape = shape
    bytes = Array(whole[(4 + 4 * rank)...])
  }

  func floats() -> [Float] {
    func numbers<T: FixedWidthInteger>(_: T.Type) -> [T] {
      let size = MemoryLayout<T>.size
      return bytes.withUnsafeBytes { raw in
        (0..<raw.count / size).map {
          T(bigEndian: raw.loadUnaligned(fromByteOffset: $0 * size, as: T.self))
        }
      }
    }
    switch type {
    case 0x08: return numbers(UInt8.self).map { Float($0) }
    case 0x09: return numbers(Int8.self).map { Float($0) }
    case 0x0B: return numbers(Int16.self).map { Float($0) }
    case 0x0C: return numbers(Int32.self).map { Float($0) }
    case 0x0D: return numbers(UInt32.self).map { Float(bitPattern: $0) }
    default: return numbers(UInt64.self).map { Float(Double(bitPattern: $0)) }
    }
  }
}
