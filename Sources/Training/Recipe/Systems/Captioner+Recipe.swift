import Graph
import Zoo

/// Captions of painted scenes.
struct CaptionerSystem: RecipeSystem {
  static let recipeName = "captioner"
  static let recipeKeys = [
    "attention", "cell", "filters", "embedding", "hidden_size", "dropout", "beams",
  ]
  static let dataKeys = ["path", "digits", "size"] + ScenePartsRecipe.keys

  private let net: Captioner
  private let beams: Int
  private let path: String
  private let style: CaptionSceneStyle
  private let parts: ScenePartsRecipe

  init(model: RecipeSection, data: RecipeSection) throws {
    var style = CaptionSceneStyle()
    style.digits = try data.range("digits", 1...4) ?? style.digits
    style.size = try data.integer("size", 24...256) ?? style.size
    guard style.size % Captioner.stride == 0 else {
      throw data.error(
        "size", "data.size: \(style.size); it must be a multiple of \(Captioner.stride)")
    }
    self.style = style
    path = data.resolve(try data.required("path", data.string("path")))
    parts = try ScenePartsRecipe(data)

    var net = Captioner()
    net.attention = try model.choice("attention", AttentionKind.self) ?? net.attention
    if let word = try model.choice("cell", ["lstm", "gru"]) {
      net.cell = word == "lstm" ? .lstm : .gru
    }
    net.filters = try model.integers("filters", count: 3...8, 1...4_096) ?? net.filters
    net.embedding = try model.integer("embedding", 1...8_192) ?? net.embedding
    net.hiddenSize = try model.integer("hidden_size", 1...8_192) ?? net.hiddenSize
    net.dropout = try model.dropout()
    net.size = style.size
    net.tokens = CaptionScenes.words.count + 2
    self.net = net
    beams = try model.integer("beams", 1...64) ?? 3
  }

  var hasValidation: Bool { parts.shares.validation > 0 && parts.counts.validation > 0 }

  func scenes(_ path: String?) throws -> CaptionParts {
    try CaptionParts(
      path ?? self.path, style: style, shares: parts.shares, counts: parts.counts, seed: parts.seed)
  }

  func job(_ settings: SystemSettings) throws -> TrainingJob {
    let scenes = try scenes(settings.dataPath)
    var net = net
    net.seed = settings.seed
    func task(_ scenes: CaptionScenes) -> DecoderTask {
      DecoderTask(CaptionedPictures(scenes, batchSize: settings.batchSize))
    }
    let deployed = try net.captionGraph(
      beams: beams, length: CaptionScenes.longest(style.digits.upperBound) + 1)
    return TrainingJob(
      graph: try net.trainingGraph(batch: settings.batchSize), training: task(scenes.training),
      validation: scenes.validation.map(task), test: scenes.test.map(task)
    ) { trained in
      let graph = try TrainedModel.export(trained, into: deployed, name: settings.name)
      // Token i + 2 is word i; 0 ends, 1 begins.
      graph.setMetadata("target_words", CaptionScenes.words.joined(separator: "\n"))
      return graph
    }
  }
}

extension Recipe {
  /// The pictures and captions of a captioner's recipe; nil where it is another's.
  ///
  /// - Parameter path: Takes the place of the recipe's path.
  public func captionedScenes(path: String? = nil) throws -> CaptionParts? {
    guard case .system(let system) = subject, let captioner = system as? CaptionerSystem else {
      return nil
    }
    return try captioner.scenes(path)
  }
}
