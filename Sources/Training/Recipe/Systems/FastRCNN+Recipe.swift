import Graph
import Zoo

/// One of the detectors of `FastRCNN`.
protocol RegionDetector {
  static var kind: FastRCNN.Kind { get }
}

enum FastRegionCNN: RegionDetector { static let kind = FastRCNN.Kind.fast }
enum FasterRegionCNN: RegionDetector { static let kind = FastRCNN.Kind.faster }

/// Fast R-CNN or Faster R-CNN and its data.
struct RegionSystem<Detector: RegionDetector>: RecipeSystem, BoxedSystem {
  static var recipeName: String { Detector.kind.rawValue }
  static var recipeKeys: [String] {
    ["form", "width", "score_threshold"] + (Detector.kind == .faster ? ["regions"] : [])
  }
  static var dataKeys: [String] { BoxedData.keys }

  private var net = FastRCNN()
  private let data: BoxedData

  init(model: RecipeSection, data: RecipeSection) throws {
    net.kind = Detector.kind
    net.form = try model.choice("form", FastRCNN.Form.self) ?? net.form
    net.width = try model.detectorWidth()
    net.regions = try model.integer("regions", 1...2_000) ?? net.regions
    net.suppression = try model.suppression()
    self.data = try BoxedData(data)
  }

  var hasValidation: Bool { data.hasValidation }

  func boxedImages(_ path: String?) throws -> BoxedParts {
    try data.parts(size: net.size, path: path)
  }

  func job(_ settings: SystemSettings) throws -> TrainingJob {
    var net = net
    net.seed = settings.seed
    let parts = try boxedImages(settings.dataPath)
    net.channels = parts.training.shape[0]
    net.classes = parts.training.classNames.count
    let made = net
    return try TrainingJob(parts, settings, graph: made.graph(), deployed: made.detector) {
      RegionTask(made, $0, batchSize: settings.batchSize, seed: settings.seed, shuffles: $1)
    }
  }
}
