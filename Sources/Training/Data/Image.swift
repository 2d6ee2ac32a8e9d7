import CImage

/// An image of 8 bits a channel: rows from top to bottom, the pixel's channels side by side.
public struct Image {
  public var width: Int
  public var height: Int
  /// 1 (grey) or 3 (red, green, blue).
  public var channels: Int
  public var pixels: [UInt8]

  /// Decodes a PNG or JPEG; which of them it is, its first bytes say.
  public init(contentsOf path: String) throws {
    try self.init(dataBytes(path), file: path)
  }

  public init(_ bytes: [UInt8], file: String) throws {
    var image = apus_image()
    let decoded: Int32
    if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) {
      decoded = apus_decode_png(bytes, bytes.count, &image)
    } else if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      decoded = apus_decode_jpeg(bytes, bytes.count, &image)
    } else {
      throw DataError("\(file): neither a PNG nor a JPEG")
    }
    guard decoded == 1 else {
      let message = withUnsafeBytes(of: image.message) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      throw DataError("\(file): the image cannot be decoded: \(message)")
    }
    defer { apus_image_free(&image) }
    width = Int(image.width)
    height = Int(image.height)
    channels = Int(image.channels)
    pixels = Array(UnsafeBufferPointer(start: image.pixels, count: width * height * channels))
  }

  /// The pixels as floats of 0...255, channels first, as `channels` 1 or 3.
  ///
  /// Grey is ITU-R BT.601's luma, 0.299 R + 0.587 G + 0.114 B, not rounded.
  public func planes(channels wanted: Int) -> [Float] {
    let count = width * height
    var result = [Float](repeating: 0, count: wanted * count)
    for i in 0..<count {
      switch (channels, wanted) {
      case (1, 1): result[i] = Float(pixels[i])
      case (1, _): for c in 0..<3 { result[c * count + i] = Float(pixels[i]) }
      case (_, 1):
        let (r, g, b) = (Float(pixels[3 * i]), Float(pixels[3 * i + 1]), Float(pixels[3 * i + 2]))
        result[i] = 0.299 * r + 0.587 * g + 0.114 * b
      default: for c in 0..<3 { result[c * count + i] = Float(pixels[3 * i + c]) }
      }
    }
    return result
  }
}
