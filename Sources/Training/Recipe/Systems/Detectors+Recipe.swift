import Graph
import Zoo

/// A detector that recipes can name.
protocol RecipeDetector: TrainableDetector {
  static var recipeName: String { get }
  static var recipeKeys: [String] { get }

  init(_ section: RecipeSection) throws

  /// Looks at the boxes that are to be found, before the network is made.
  mutating func fit(_ images: any BoxedImages) throws
}

extension RecipeDetector {
  mutating func fit(_ images: any BoxedImages) throws {}
}

/// A detector and its data.
struct DetectorSystem<Detector: RecipeDetector>: RecipeSystem {
  static var recipeName: String { Detector.recipeName }
  static var recipeKeys: [String] { Detector.recipeKeys + ["width", "score_threshold"] }
  static var dataKeys: [String] { BoxedData.keys }

  let detector: Detector
  let data: BoxedData

  init(model: RecipeSection, data: RecipeSection) throws {
    detector = try Detector(model)
    self.data = try BoxedData(data)
  }

  var hasValidation: Bool { data.hasValidation }

  func job(_ settings: SystemSettings) throws -> TrainingJob {
    var detector = detector
    detector.seed = settings.seed
    let parts = try data.parts(size: detector.size, path: settings.dataPath)
    detector.channels = parts.training.shape[0]
    detector.classes = parts.training.classNames.count
    try detector.fit(parts.training)
    let made = detector
    return try TrainingJob(parts, settings, graph: made.graph(), deployed: made.detector) {
      DetectionTask(
        made, $0, batchSize: settings.batchSize, seed: settings.seed, shuffles: $1)
    }
  }
}

extension TrainingJob {
  /// Of a detector: the graph that is trained, the one that is run, and a task on images (to be
  /// shuffled or not).
  ///
  /// - Parameter names: of the classes; nil: the data's.
  init(
    _ parts: BoxedParts, _ settings: SystemSettings, graph: Graph,
    deployed: @escaping () throws -> Graph, names: [String]? = nil,
    task: (any BoxedImages, Bool) -> any TrainingTask
  ) {
    let names = names ?? parts.training.classNames
    self.init(
      graph: graph, training: task(parts.training, true),
      validation: parts.validation.map { task($0, false) }, test: parts.test.map { task($0, false) },
      classNames: names
    ) { trained in
      let graph = try TrainedModel.export(trained, into: deployed(), name: settings.name)
      graph.setMetadata("labels", names.joined(separator: "\n"))
      return graph
    }
  }
}

/// The part `data` of a detector's recipe.
struct BoxedData {
  enum Reader {
    case scenes(DigitSceneStyle, shares: (validation: Double, test: Double), counts: Counts)
    case coco(channels: Int, annotations: String, validation: Files?, test: Files?)
  }
  typealias Counts = (training: Int, validation: Int, test: Int)
  typealias Files = (path: String, annotations: String)

  static let keys = [
    "reader", "path", "split", "scenes", "digits", "scale", "channels", "annotations", "validation",
    "test",
  ]

  let path: String
  let reader: Reader
  let splitSeed: UInt64

  init(_ section: RecipeSection) throws {
    let name = try section.required("reader", section.choice("reader", ["digit-scenes", "coco"]))
    path = section.resolve(try section.required("path", section.string("path")))
    let channels = try section.choice("channels", ["1", "3"])
    if name == "coco" {
      try section.allow(["reader", "path", "channels", "annotations", "validation", "test"])
      func files(_ key: String) throws -> Files? {
        guard let part = try section.section(key) else { return nil }
        try part.allow(["path", "annotations"])
        return (
          section.resolve(try part.required("path", part.string("path"))),
          section.resolve(try part.required("annotations", part.string("annotations")))
        )
      }
      splitSeed = 1
      reader = .coco(
        channels: channels == "1" ? 1 : 3,
        annotations: section.resolve(
          try section.required("annotations", section.string("annotations"))),
        validation: try files("validation"), test: try files("test"))
      return
    }
    try section.allow(["reader", "path", "channels", "split", "scenes", "digits", "scale"])
    var style = DigitSceneStyle()
    style.channels = channels == "3" ? 3 : 1
    style.digits = try section.range("digits", 1...16) ?? style.digits
    style.scale = try section.scale() ?? style.scale
    let parts = try ScenePartsRecipe(section)
    splitSeed = parts.seed
    reader = .scenes(style, shares: parts.shares, counts: parts.counts)
  }

  var hasValidation: Bool {
    switch reader {
    case .scenes(_, let shares, _): shares.validation > 0
    case .coco(_, _, let validation, _): validation != nil
    }
  }

  func parts(size: Int, path given: String?) throws -> BoxedParts {
    let path = given ?? self.path
    switch reader {
    case .scenes(var style, let shares, let counts):
      style.size = size
      let parts = try DigitScenes.parts(
        path, style: style, shares: shares, counts: counts, seed: splitSeed)
      return BoxedParts(
        training: parts.training, validation: parts.validation, test: parts.test)
    case .coco(let channels, let annotations, let validation, let test):
      func images(_ files: Files) throws -> COCOImages {
        try COCOImages(
          files.path, annotations: files.annotations, size: (size, size), channels: channels)
      }
      return BoxedParts(
        training: try images((path, annotations)), validation: try validation.map(images),
        test: try test.map(images))
    }
  }
}

extension RecipeSection {
  /// Keys that all detectors have.
  func detectorWidth() throws -> Float {
    Float(try number("width", "greater than 0") { $0 > 0 && $0 <= 16 } ?? 1)
  }

  func suppression() throws -> Suppression {
    var result = Suppression()
    if let least = try number("score_threshold", "from 0 to 1", { $0 >= 0 && $0 <= 1 }) {
      result.scoreThreshold = Float(least)
    }
    return result
  }
}

extension SSD: RecipeDetector {
  static let recipeName = "ssd"
  static let recipeKeys = ["backbone", "focal"]

  init(_ section: RecipeSection) throws {
    self.init()
    backbone = try section.choice("backbone", Backbone.self) ?? backbone
    isFocal = try section.bool("focal") ?? false
    width = try section.detectorWidth()
    suppression = try section.suppression()
  }

  public func loss(_ outputs: [Tensor<Float>], _ objects: [[LabelledBox]]) -> DetectionLoss {
    var loss = MultiBoxLoss(defaultBoxes.boxes, classes: classes)
    if isFocal { loss.focal = (alpha: 0.25, gamma: 2) }
    return loss.evaluate(outputs[0], outputs[1], objects)
  }
}

extension YOLOv1: RecipeDetector {
  static let recipeName = "yolo-v1"
  static let recipeKeys = ["form", "boxes", "dropout"]

  init(_ section: RecipeSection) throws {
    self.init()
    form = try section.choice("form", Form.self) ?? form
    boxes = try section.integer("boxes", 1...16) ?? boxes
    dropout = try section.has("dropout") ? section.dropout() : dropout
    width = try section.detectorWidth()
    suppression = try section.suppression()
  }

  public func loss(_ outputs: [Tensor<Float>], _ objects: [[LabelledBox]]) -> DetectionLoss {
    let loss = GridLoss(cells: cells, boxes: boxes, classes: classes)
    return loss.evaluate(outputs[0], loss.assign(outputs[0], objects))
  }
}

extension YOLOv2: RecipeDetector {
  static let recipeName = "yolo-v2"
  static let recipeKeys = ["form", "anchors"]

  init(_ section: RecipeSection) throws {
    self.init()
    form = try section.choice("form", Form.self) ?? form
    if let count = try section.integer("anchors", 1...16) {
      // Replaced when the data are known.
      anchors = [(width: Float, height: Float)](repeating: (0, 0), count: count)
    }
    width = try section.detectorWidth()
    suppression = try section.suppression()
  }

  mutating func fit(_ images: any BoxedImages) throws {
    anchors = try clusterAnchors(boxSizes(images), count: anchors.count).anchors
  }

  public func loss(_ outputs: [Tensor<Float>], _ objects: [[LabelledBox]]) -> DetectionLoss {
    let loss = AnchorLoss([grid])
    return loss.evaluate(outputs, loss.assign(outputs, objects), images: objects.count)
  }

  public func candidates(_ outputs: [Tensor<Float>], image: Int) -> Candidates {
    var result = Candidates(classes: classes)
    grid.add(outputs[0], image: image, to: &result)
    return result
  }
}

extension YOLOv3Tiny: RecipeDetector {
  static let recipeName = "yolo-v3-tiny"
  static let recipeKeys = ["form"]

  init(_ section: RecipeSection) throws {
    self.init()
    form = try section.choice("form", Form.self) ?? form
    width = try section.detectorWidth()
    suppression = try section.suppression()
  }

  mutating func fit(_ images: any BoxedImages) throws {
    anchors = try clusterAnchors(boxSizes(images), count: anchors.count).anchors
  }

  public func loss(_ outputs: [Tensor<Float>], _ objects: [[LabelledBox]]) -> DetectionLoss {
    let loss = AnchorLoss(grids)
    return loss.evaluate(outputs, loss.assign(outputs, objects), images: objects.count)
  }

  public func candidates(_ outputs: [Tensor<Float>], image: Int) -> Candidates {
    var result = Candidates(classes: classes)
    for (output, grid) in zip(outputs, grids) { grid.add(output, image: image, to: &result) }
    return result
  }
}

/// The sizes of the objects in the first images, as many as are enough for anchors.
private func boxSizes(_ images: any BoxedImages) throws -> [(width: Float, height: Float)] {
  try (0..<min(images.count, 2_000)).flatMap { i in
    try images.objects(i, epoch: 0).map { ($0.box.width, $0.box.height) }
  }
}

extension Recipe {
  /// The images and boxes of a detector's recipe; nil where it is another's.
  ///
  /// - Parameter path: Takes the place of the recipe's path.
  public func boxedImages(path: String? = nil) throws -> BoxedParts? {
    try boxedSystem?.boxedImages(path)
  }

  /// What finds the regions that the recipe's detector is given; nil where it takes none.
  public var regionProposer: (any RegionProposer)? { boxedSystem?.regionProposer }

  private var boxedSystem: (any BoxedSystem)? {
    guard case .system(let system) = subject else { return nil }
    return system as? any BoxedSystem
  }
}

/// Images with boxes to train on, to watch and to test on.
public struct BoxedParts {
  public let training: any BoxedImages
  public let validation: (any BoxedImages)?
  public let test: (any BoxedImages)?
}

/// A system whose data are images with boxes.
protocol BoxedSystem {
  func boxedImages(_ path: String?) throws -> BoxedParts
  /// nil: the detector takes images alone.
  var regionProposer: (any RegionProposer)? { get }
}

extension BoxedSystem {
  var regionProposer: (any RegionProposer)? { nil }
}

extension DetectorSystem: BoxedSystem {
  func boxedImages(_ path: String?) throws -> BoxedParts {
    try data.parts(size: detector.size, path: path)
  }
}
