import Graph
import Zoo

/// R-CNN and its data. Proposals are found by selective search.
struct RCNNSystem: RecipeSystem, BoxedSystem {
  static let recipeName = "rcnn"
  static let recipeKeys = ["form", "scores", "width", "score_threshold", "box_regularization"]
  static var dataKeys: [String] { BoxedData.keys }

  private var net = RCNN()
  private let boxStrength: Double?
  private let data: BoxedData
  private let proposer = SelectiveSearch()

  init(model: RecipeSection, data: RecipeSection) throws {
    net.form = try model.choice("form", RCNN.Form.self) ?? net.form
    net.scores = try model.choice("scores", RCNN.Scores.self) ?? net.scores
    net.width = try model.detectorWidth()
    net.suppression.scoreThreshold = try model.suppression().scoreThreshold
    boxStrength = try model.number("box_regularization", "greater than 0") { $0 > 0 }
    self.data = try BoxedData(data)
  }

  var hasValidation: Bool { data.hasValidation }

  func boxedImages(_ path: String?) throws -> BoxedParts {
    try data.parts(size: net.size, path: path)
  }

  var regionProposer: (any RegionProposer)? { proposer }

  func job(_ settings: SystemSettings) throws -> TrainingJob {
    var net = net
    net.seed = settings.seed
    let parts = try boxedImages(settings.dataPath)
    net.channels = parts.training.shape[0]
    net.classes = parts.training.classNames.count
    let (made, proposer) = (net, proposer)
    var job = try TrainingJob(parts, settings, graph: made.graph(), deployed: made.detector) {
      RCNNTask(
        made, $0, proposer: proposer, batchSize: settings.batchSize, seed: settings.seed,
        shuffles: $1)
    }
    var fit = RCNNFit(made)
    fit.seed = settings.seed
    fit.boxStrength = boxStrength ?? fit.boxStrength
    let ready = fit
    job.fit = { try ready.fit($0, to: parts.training, proposer: proposer) }
    return job
  }
}
