import ArgumentParser
import Foundation
import NumPyFile
import Runtime
import Training
import Zoo

struct Detect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Find the objects in an image and draw their boxes.",
    discussion: """
      Runs the function "detect" of a detector: a model with one input [1, channels, height, width] \
      of 0 to 1 and the outputs boxes [n, 4] (left, top, right, bottom in fractions of the image), \
      scores [n] and classes [n]. The image, a PNG or JPEG, is resized to the input's size. Prints \
      one line for each object: its class, its score, its box in pixels of the image. A detector that \
      is given regions (R-CNN), in a second input proposals [n, 4], gets those of selective search.

      With --recipe the images are those that the recipe's test part begins with, and the picture \
      shows them side by side.

      EXAMPLES
        model-convert detect ssd.apus street.jpg -o boxes.png
        model-convert detect ssd.apus --recipe recipes/ssd-digits.yaml --count 8 -o boxes.png
      """)

  @OptionGroup var options: ModelOptions

  @Argument(help: "The image.", completion: .file(extensions: ["png", "jpg", "jpeg"]))
  var image: String?

  @Option(name: .shortAndLong, help: "The PNG to write.", completion: .file(extensions: ["png"]))
  var output: String?

  @Option(
    help: "Look at the images of this recipe's test part.",
    completion: .file(extensions: ["yaml", "yml"]))
  var recipe: String?

  @Option(help: ArgumentHelp("With --recipe: so many images.", valueName: "n"))
  var count = 8

  @Option(help: ArgumentHelp("Leave out objects with a lower score.", valueName: "p"))
  var score: Float = 0.5

  @Flag(help: "Print one JSON object on stdout.")
  var json = false

  mutating func validate() throws {
    guard (image == nil) != (recipe == nil) else {
      throw ValidationError("give an image, or --recipe")
    }
    if count < 1 { throw ValidationError("--count: \(count); it must be at least 1") }
  }

  func run() throws {
    do { try detect() } catch let error as Failure { throw error } catch { throw Failure("\(error)") }
  }

  private func detect() throws {
    let detector = try OpenedDetector(OpenedModel(path: options.model, isa: options.isa), options.function)
    var results: [ImageResult] = []
    var drawings: [BoxDrawing] = []
    func look(_ image: Image, _ name: String) throws {
      let found = try detector.find(image).filter { $0.score >= score }
      results.append(ImageResult(name, image, found, detector))
      guard output != nil else { return }
      var drawing = BoxDrawing(image, least: 256)
      for object in found.reversed() {
        drawing.draw(object.box, label: object.label, text: detector.name(object.label))
      }
      drawings.append(drawing)
    }
    if let image {
      try look(try Image(contentsOf: image), image)
    } else {
      for (i, image) in try testImages().enumerated() { try look(image, "image \(i + 1)") }
    }
    if let output {
      let picture = drawings.count == 1 ? drawings[0] : BoxDrawing(sheet: drawings, columns: 4)
      try writeBytes(picture.image.png(), toFile: output)
    }
    if json {
      try printJSON(results)
    } else {
      for result in results { result.print(isNamed: recipe != nil) }
    }
  }

  private func testImages() throws -> [Image] {
    guard let images = try Recipe(contentsOf: recipe!).boxedImages()?.test else {
      throw Failure("\(recipe!): it has no test part of images with boxes")
    }
    var pixels = [Float](repeating: 0, count: images.shape.reduce(1, *))
    return try (0..<min(count, images.count)).map { i in
      _ = try images.image(i, epoch: 0, into: &pixels)
      return Image(planes: pixels, shape: images.shape)
    }
  }
}

/// A model that finds objects.
private struct OpenedDetector {
  let opened: OpenedModel
  private let function: Int
  /// nil: the detector is given regions too, and a session for as many as there are.
  private let session: Session?
  /// [channels, height, width] of the input.
  let shape: [Int]
  let labels: [String]

  init(_ opened: OpenedModel, _ function: String?) throws {
    self.opened = opened
    let name = function ?? (opened.functionNames.contains("detect") ? "detect" : nil)
    let f = try opened.functionIndex(name)
    self.function = f
    let inputs = opened.inputTensors(f).map(opened.name(tensor:))
    let takesRegions = inputs == ["image", "proposals"]
    let plan = try OpenedDetector.plan(opened, f, regions: takesRegions ? 1 : nil)
    let image = plan.tensors[plan.inputTensors[0]]!
    let outputs = plan.outputTensors.map { opened.name(tensor: $0) }
    guard inputs.count == 1 || takesRegions, image.shape.rank == 4, image.shape[0] == 1,
      [1, 3].contains(image.shape[1]), image.dataType == .float32,
      outputs == ["boxes", "scores", "classes"]
    else {
      throw Failure(
        "\(opened.path): not a detector: it must have an input [1, channels, height, width], maybe "
          + "proposals [n, 4] beside it, and the outputs boxes, scores, classes")
    }
    shape = (1..<4).map { image.shape[$0] }
    session = takesRegions ? nil : try opened.session(plan)
    labels = opened.metadata("labels")?.split(separator: "\n").map(String.init) ?? []
  }

  func name(_ label: Int) -> String { labels.indices.contains(label) ? labels[label] : "\(label)" }

  private static func plan(_ opened: OpenedModel, _ function: Int, regions: Int?) throws -> Plan {
    try opened.plan(function, shapes: regions.map { [("proposals", [$0, 4])] } ?? [])
  }

  func find(_ image: Image) throws -> [Detection] {
    if let session { return try find(image, session) }
    var pixels = [Float](repeating: 0, count: shape.reduce(1, *))
    image.fill(&pixels, shape: shape)
    let regions = SelectiveSearch().regions(pixels, shape: shape)
    if regions.isEmpty { return [] }
    let session = try opened.session(
      OpenedDetector.plan(opened, function, regions: regions.count))
    let proposals = session.data(input: 1).assumingMemoryBound(to: Float.self)
    for (i, box) in regions.enumerated() {
      for (k, edge) in [box.x1, box.y1, box.x2, box.y2].enumerated() { proposals[4 * i + k] = edge }
    }
    return try find(image, session)
  }

  private func find(_ image: Image, _ session: Session) throws -> [Detection] {
    image.fill(session.data(input: 0).assumingMemoryBound(to: Float.self), shape: shape)
    try opened.run(session)
    let boxes = session.data(output: 0).assumingMemoryBound(to: Float.self)
    let scores = session.data(output: 1).assumingMemoryBound(to: Float.self)
    let classes = session.data(output: 2).assumingMemoryBound(to: Int64.self)
    return (0..<session.info(output: 1).shape[0]).map { i in
      Detection(
        Box(boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]), Int(classes[i]),
        score: scores[i])
    }
  }
}

/// What was found in an image.
private struct ImageResult: Encodable {
  struct Object: Encodable {
    let name: String
    let label: Int
    let score: Float
    /// Left, top, right, bottom in pixels.
    let box: [Float]
  }
  let image: String
  let objects: [Object]

  init(_ name: String, _ image: Image, _ found: [Detection], _ detector: OpenedDetector) {
    self.image = name
    let (w, h) = (Float(image.width), Float(image.height))
    objects = found.map {
      Object(
        name: detector.name($0.label), label: $0.label, score: $0.score,
        box: [$0.box.x1 * w, $0.box.y1 * h, $0.box.x2 * w, $0.box.y2 * h])
    }
  }

  func print(isNamed: Bool) {
    if isNamed { Swift.print("\(image):") }
    if objects.isEmpty { Swift.print("  nothing found") }
    for object in objects {
      let places = object.box.map { String(format: "%.1f", $0) }.joined(separator: ", ")
      Swift.print(
        "  \(printable(object.name))  \(String(format: "%.2f", object.score))  [\(places)]")
    }
  }
}
