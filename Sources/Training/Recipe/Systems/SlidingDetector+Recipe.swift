import Graph
import Zoo

/// A sliding detector and its scenes.
struct SlidingSystem: RecipeSystem, BoxedSystem {
  static let recipeName = "sliding"
  static let recipeKeys = ["width", "scene", "target", "score_threshold"]
  static var dataKeys: [String] { BoxedData.keys }

  private var net = SlidingDetector()
  private let target: String?
  private let data: BoxedData
  private let unknownTarget: (String) -> RecipeError

  init(model: RecipeSection, data: RecipeSection) throws {
    net.width = try model.detectorWidth()
    net.scene = try model.integer("scene", 32...4_096) ?? net.scene
    guard net.scene % SlidingDetector.stride == 0 else {
      throw model.error("scene", "model.scene: must be a multiple of \(SlidingDetector.stride)")
    }
    net.suppression.scoreThreshold = try model.suppression().scoreThreshold
    target = try model.has("target") ? model.string("target") : nil
    unknownTarget = { model.error("target", $0) }
    self.data = try BoxedData(data)
  }

  var hasValidation: Bool { data.hasValidation }

  func boxedImages(_ path: String?) throws -> BoxedParts {
    try data.parts(size: net.scene, path: path)
  }

  func job(_ settings: SystemSettings) throws -> TrainingJob {
    var net = net
    net.seed = settings.seed
    let parts = try boxedImages(settings.dataPath)
    net.channels = parts.training.shape[0]
    let names = parts.training.classNames
    let label = try target.map { name in
      guard let label = names.firstIndex(of: name) else {
        throw unknownTarget(
          "model.target: there is no class '\(name)'; there are \(names.joined(separator: ", "))")
      }
      return label
    }
    let made = net
    return try TrainingJob(
      parts, settings, graph: made.graph(), deployed: made.detector, names: [target ?? "object"]
    ) {
      SlidingTask(
        made, $0, target: label, batchSize: settings.batchSize, seed: settings.seed, shuffles: $1)
    }
  }
}
