/// Reads a folder of PNG and JPEG files. Each sub-folder is a class; without sub-folders the images
/// are their own targets (autoencoders).
public struct ImageFolderReader {
  /// Rows and columns that every image is resized to (bilinear); nil where all have one size.
  public var size: (height: Int, width: Int)?
  /// 1 (grey) or 3 (red, green, blue).
  public var channels = 3

  public init() {}

  public func read(_ folder: String) throws -> Samples {
    let names = try entries(ofFolder: folder)
    let classNames = names.filter { isFolder(folder + "/" + $0) }
    var pixels: [UInt8] = []
    var classes: [Int32] = []
    var shape: [Int]?
    var count = 0
    func add(_ path: String) throws {
      var image = try sample(path)
      if let shape, shape != image.shape {
        throw DataError(
          "\(path): \(image.shape[2]) × \(image.shape[1]) pixels, and the images before it have "
            + "\(shape[2]) × \(shape[1]); give the size that all shall be resized to")
      }
      shape = image.shape
      image.values.withUnsafeMutableBufferPointer {
        for value in $0 { pixels.append(UInt8(max(0, min(255, value.rounded())))) }
      }
      count += 1
    }
    for (number, name) in classNames.enumerated() {
      let images = try images(folder + "/" + name)
      guard !images.isEmpty else { throw DataError("\(folder)/\(name): no PNG or JPEG in here") }
      for path in images {
        try add(path)
        classes.append(Int32(number))
      }
    }
    if classNames.isEmpty { for path in try images(folder) { try add(path) } }
    guard let shape else {
      throw DataError("\(folder): neither sub-folders with images nor images in here")
    }
    return Samples(
      storage: .bytes(pixels), shape: shape,
      targets: classNames.isEmpty ? .inputs : .classes(classes, names: classNames), count: count)
  }

  private func images(_ folder: String) throws -> [String] {
    try entries(ofFolder: folder)
      .filter { name in
        let name = name.lowercased()
        return name.hasSuffix(".png") || name.hasSuffix(".jpg") || name.hasSuffix(".jpeg")
      }
      .map { folder + "/" + $0 }
  }

  private func sample(_ path: String) throws -> (values: [Float], shape: [Int]) {
    let image = try Image(contentsOf: path)
    let planes = image.planes(channels: channels)
    let shape = [channels, image.height, image.width]
    guard let size, size != (image.height, image.width) else { return (planes, shape) }
    let resize = Resize(height: size.height, width: size.width)
    var result = [Float](repeating: 0, count: channels * size.height * size.width)
    var random = SeededRandom(seed: 0)
    resize.apply(planes, shape: shape, to: &result, random: &random)
    return (result, [channels, size.height, size.width])
  }
}
