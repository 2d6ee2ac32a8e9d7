import CImage
import Foundation

extension Image {
  /// - Precondition: `pixels` has width · height · channels bytes.
  public init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
    precondition(pixels.count == width * height * channels)
    self.width = width
    self.height = height
    self.channels = channels
    self.pixels = pixels
  }

  /// From planes of 0 to 1, channels first: what `fill` writes.
  public init(planes: UnsafePointer<Float>, shape: [Int]) {
    let count = shape[1] * shape[2]
    var pixels = [UInt8](repeating: 0, count: shape[0] * count)
    for c in 0..<shape[0] {
      for i in 0..<count {
        pixels[i * shape[0] + c] = UInt8((min(max(planes[c * count + i], 0), 1) * 255).rounded())
      }
    }
    self.init(width: shape[2], height: shape[1], channels: shape[0], pixels: pixels)
  }

  /// The image as a PNG file.
  public func png() throws -> [UInt8] {
    var pixels = pixels
    return try pixels.withUnsafeMutableBufferPointer { buffer in
      var image = apus_image()
      image.width = Int32(width)
      image.height = Int32(height)
      image.channels = Int32(channels)
      image.pixels = buffer.baseAddress
      var (bytes, count): (UnsafeMutablePointer<UInt8>?, Int) = (nil, 0)
      guard apus_encode_png(&image, &bytes, &count) == 1, let bytes else {
        throw DataError("the picture cannot be written as PNG")
      }
      defer { free(bytes) }
      return Array(UnsafeBufferPointer(start: bytes, count: count))
    }
  }
}
