import Foundation
import Zoo

/// Images with boxes in COCO's format (T.-Y. Lin et al., "Microsoft COCO", 2014; "object detection" at
/// https://cocodataset.org/#format-data): a folder of PNG and JPEG files, and a JSON file that has
/// `images` (id, file_name, width, height), `annotations` (image_id, category_id, bbox [left, top,
/// width, height] in pixels, iscrowd) and `categories` (id, name).
///
/// Classes are numbered in the order of the categories' ids. Images are read when they are asked for
/// and resized, not keeping their proportions.
public final class COCOImages: BoxedImages {
  public let shape: [Int]
  public let classNames: [String]
  private let images: [(path: String, boxes: [LabelledBox])]

  private struct File: Decodable {
    struct Image: Decodable {
      var id: Int
      var file_name: String
      var width: Double
      var height: Double
    }
    struct Annotation: Decodable {
      var image_id: Int
      var category_id: Int
      var bbox: [Double]
      var iscrowd: Int?
    }
    struct Category: Decodable {
      var id: Int
      var name: String
    }
    var images: [Image]
    var annotations: [Annotation]
    var categories: [Category]
  }

  /// - Parameters:
  ///   - folder: of the images.
  ///   - annotations: the JSON file.
  ///   - size: rows and columns that every image is resized to.
  ///   - channels: 1 (grey) or 3 (red, green, blue).
  public init(
    _ folder: String, annotations: String, size: (height: Int, width: Int), channels: Int = 3
  ) throws {
    shape = [channels, size.height, size.width]
    let file: File
    do {
      file = try JSONDecoder().decode(File.self, from: Data(try dataBytes(annotations)))
    } catch let error as DecodingError {
      throw DataError("\(annotations): \(COCOImages.reason(error))")
    }
    let categories = file.categories.sorted { $0.id < $1.id }
    classNames = categories.map(\.name)
    let labels = Dictionary(
      categories.enumerated().map { ($0.element.id, $0.offset) }, uniquingKeysWith: { a, _ in a })
    var places: [Int: Int] = [:]
    var images: [(path: String, boxes: [LabelledBox])] = []
    for image in file.images.sorted(by: { $0.id < $1.id }) {
      guard image.width > 0, image.height > 0 else {
        throw DataError("\(annotations): image \(image.id) has no size")
      }
      places[image.id] = images.count
      images.append((folder + "/" + image.file_name, []))
    }
    let sizes = Dictionary(
      file.images.map { ($0.id, ($0.width, $0.height)) }, uniquingKeysWith: { a, _ in a })
    for (i, box) in file.annotations.enumerated() {
      guard let place = places[box.image_id], let (width, height) = sizes[box.image_id] else {
        throw DataError("\(annotations): annotation \(i) is of image \(box.image_id), which is not there")
      }
      guard let label = labels[box.category_id] else {
        throw DataError(
          "\(annotations): annotation \(i) is of category \(box.category_id), which is not there")
      }
      guard box.bbox.count == 4, box.bbox.allSatisfy(\.isFinite) else {
        throw DataError("\(annotations): annotation \(i): 'bbox' must be four numbers")
      }
      let (x, y, w, h) = (box.bbox[0], box.bbox[1], box.bbox[2], box.bbox[3])
      // COCO itself has some boxes without an area; there is nothing to learn from them.
      if w <= 0 || h <= 0 { continue }
      images[place].boxes.append(
        LabelledBox(
          Box(Float(x / width), Float(y / height), Float((x + w) / width), Float((y + h) / height)),
          label, isCrowd: box.iscrowd == 1))
    }
    guard !images.isEmpty else { throw DataError("\(annotations): there are no images") }
    self.images = images
  }

  private static func reason(_ error: DecodingError) -> String {
    switch error {
    case .keyNotFound(let key, let context):
      "'\(key.stringValue)' is missing" + place(context.codingPath)
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      "it is not what COCO's format has" + place(context.codingPath)
    default: "it is not JSON"
    }
  }

  /// " in annotations, number 3".
  private static func place(_ path: [any CodingKey]) -> String {
    path.isEmpty
      ? "" : " in " + path.map { $0.intValue.map { "number \($0)" } ?? $0.stringValue }
        .joined(separator: ", ")
  }

  public var count: Int { images.count }

  public func objects(_ index: Int, epoch: Int) -> [LabelledBox] { images[index].boxes }

  public func image(
    _ index: Int, epoch: Int, into pixels: UnsafeMutablePointer<Float>
  ) throws -> [LabelledBox] {
    let image = try Image(contentsOf: images[index].path)
    image.fill(pixels, shape: shape)
    return images[index].boxes
  }
}

extension Image {
  /// Writes the image as numbers of 0 to 1 in this shape, [channels, height, width], resized where it
  /// has another size.
  public func fill(_ pixels: UnsafeMutablePointer<Float>, shape: [Int]) {
    var planes = planes(channels: shape[0])
    if [height, width] != Array(shape[1...]) {
      let resize = Resize(height: shape[1], width: shape[2])
      var result = [Float](repeating: 0, count: shape.reduce(1, *))
      var random = SeededRandom(seed: 0)
      resize.apply(planes, shape: [shape[0], height, width], to: &result, random: &random)
      planes = result
    }
    for (i, value) in planes.enumerated() { pixels[i] = value / 255 }
  }
}
