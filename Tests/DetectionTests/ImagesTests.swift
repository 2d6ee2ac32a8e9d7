import Foundation
import Testing
import Training
import Zoo

private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent().path

@Test func scenesHoldRealDigitsOfTheirPart() throws {
  var style = DigitSceneStyle()
  style.digits = 2...5
  let parts = try DigitScenes.parts(
    root + "/data/digits.csv", style: style, shares: (0.1, 0.2), counts: (30, 10, 20), seed: 3)
  let scenes = [parts.training, parts.validation!, parts.test!]
  #expect(scenes.map(\.count) == [30, 10, 20])
  for part in scenes {
    var digits = 0
    for i in 0..<part.count {
      let (canvas, boxes) = part.scene(i)
      digits += boxes.count
      #expect(boxes.count <= 5)
      for (a, object) in boxes.enumerated() {
        #expect((0..<10).contains(object.label))
        let box = object.box
        #expect(box.x1 >= 0 && box.y1 >= 0 && box.x2 <= 1 && box.y2 <= 1 && box.area > 0.005)
        for other in boxes[..<a] { #expect(box.iou(other.box) < 0.2) }
      }
      #expect(canvas.planes.allSatisfy { (0...255).contains($0) })
    }
    #expect(digits > 2 * part.count)
  }
  // The same again, and in every epoch but for training.
  #expect(parts.training.scene(4).canvas.planes == parts.training.scene(4).canvas.planes)
  #expect(parts.training.scene(4).boxes != parts.training.scene(4, epoch: 1).boxes)
  #expect(parts.test!.scene(4).boxes == parts.test!.scene(4, epoch: 1).boxes)
}

/// The box is that of the ink: on either side of it the scene is the background that it is without.
@Test func boxesAreAroundInk() throws {
  var style = DigitSceneStyle()
  style.digits = 1...1
  let painter = try DigitPainter(contentsOf: root + "/data/digits.csv")
  let digits = DigitScenes(
    DigitScenePart(painter, digits: [17], count: 5, seed: 1, renews: false), style: style)
  for i in 0..<5 {
    let (_, boxes) = digits.scene(i)
    #expect(boxes.count == 1 && boxes[0].label == painter.digits[17].label)
    #expect(boxes[0].box.width > 0.08 && boxes[0].box.height <= 0.52)
  }
}

@Test func readsCOCO() throws {
  let folder = root + "/Tests/DetectionTests/Fixtures/coco"
  let images = try COCOImages(
    folder + "/images", annotations: folder + "/instances.json", size: (16, 20), channels: 3)
  #expect(images.count == 2 && images.shape == [3, 16, 20])
  #expect(images.classNames == ["person", "cat", "dog"])
  var pixels = [Float](repeating: -1, count: 3 * 16 * 20)
  let first = try images.image(0, epoch: 0, into: &pixels)
  // 40 × 32 pixels, boxes [4, 8, 20, 16] and a crowd [0, 0, 40, 8]; one without an area is left out.
  #expect(
    first == [
      LabelledBox(Box(0.1, 0.25, 0.6, 0.75), 2),
      LabelledBox(Box(0, 0, 1, 0.25), 0, isCrowd: true),
    ])
  #expect(pixels.allSatisfy { (0...1).contains($0) })
  // The left half of image 1 is red.
  #expect(pixels[8 * 20 + 2] > 0.95 && pixels[320 + 8 * 20 + 2] < 0.05)
  #expect(images.objects(1, epoch: 0) == [LabelledBox(Box(0.5, 0, 1, 0.5), 1)])
}

@Test func saysWhatIsWrongWithCOCOFiles() throws {
  let folder = FileManager.default.temporaryDirectory.path + "/coco-\(UUID().uuidString)"
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  func message(_ json: String) throws -> String {
    let path = folder + "/a.json"
    try json.write(toFile: path, atomically: true, encoding: .utf8)
    do {
      _ = try COCOImages(folder, annotations: path, size: (8, 8))
      return ""
    } catch { return "\(error)" }
  }
  #expect(try message("[").contains("not JSON"))
  #expect(try message(#"{"images": []}"#).contains("'annotations' is missing"))
  let image = #""images": [{"id": 1, "file_name": "a.png", "width": 4, "height": 4}]"#
  let category = #""categories": [{"id": 7, "name": "x"}]"#
  func annotation(_ text: String) throws -> String {
    try message("{\(image), \(category), \"annotations\": [\(text)]}")
  }
  #expect(
    try annotation(#"{"image_id": 2, "category_id": 7, "bbox": [0, 0, 1, 1]}"#)
      .contains("image 2, which is not there"))
  #expect(
    try annotation(#"{"image_id": 1, "category_id": 8, "bbox": [0, 0, 1, 1]}"#)
      .contains("category 8, which is not there"))
  #expect(
    try annotation(#"{"image_id": 1, "category_id": 7, "bbox": [0, 0, 1]}"#)
      .contains("four numbers"))
  #expect(try annotation(#"{"image_id": 1, "category_id": 7, "bbox": [0, 0, 1, 1]}"#) == "")
}
