import Graph
import Zoo

/// Embeddings, verified on classes that training does not see: see docs/training.md.
struct EmbeddingSystem: RecipeSystem {
  static let recipeName = "embedding"
  static let recipeKeys = [
    "embedding_loss", "margin", "strength", "rate", "dimensions", "filters", "unseen",
  ]
  static let dataKeys = [
    "reader", "path", "transforms", "label", "ignore", "header", "delimiter", "inputs", "targets",
    "size", "channels", "classes", "count", "seed",
  ]

  private var net = EmbeddingNet()
  private var options = EmbeddingTask.Options()
  /// The classes, or how many of the last.
  private let unseen: (names: [String], count: Int)
  private let model: RecipeSection
  private let source: Source

  private enum Source {
    case glyphs(GlyphReader)
    case samples(DataRecipe)
  }

  init(model: RecipeSection, data: RecipeSection) throws {
    self.model = model
    if try data.string("reader") == "glyphs" {
      try data.allow(["reader", "classes", "count", "size", "seed"])
      var reader = GlyphReader()
      reader.classes = try data.integer("classes", 2...100_000) ?? reader.classes
      reader.count = try data.integer("count", 2...100_000) ?? reader.count
      reader.size = try data.integer("size", 8...256) ?? reader.size
      reader.seed = UInt64(try data.integer("seed", 0...Int(Int32.max)) ?? 1)
      source = .glyphs(reader)
    } else {
      let samples = try DataRecipe(data)
      guard !samples.reader.isText else {
        throw data.error("reader", "data.reader: a text has no classes")
      }
      source = .samples(samples)
    }
    if let loss = try model.choice("embedding_loss", EmbeddingTask.Loss.self) { options.loss = loss }
    options.margin = try model.number("margin", "greater than 0") { $0 > 0 } ?? options.margin
    options.strength = try model.number("strength", "from 0 on") { $0 >= 0 } ?? options.strength
    options.rate = try model.number("rate", "from 0 to 1") { $0 >= 0 && $0 <= 1 } ?? options.rate
    net.dimensions = try model.integer("dimensions", 1...4_096) ?? net.dimensions
    net.filters = try model.integers("filters", count: 1...8, 1...1_024) ?? net.filters
    if let count = try? model.integer("unseen", 2...100_000) {
      unseen = ([], count)
    } else {
      unseen = (try model.required("unseen", model.strings("unseen")), 0)
    }
  }

  var hasValidation: Bool { false }

  func job(_ settings: SystemSettings) throws -> TrainingJob {
    let (samples, transforms) = try read(settings.dataPath)
    guard case .classes(let classes, let names) = samples.targets else {
      throw model.error(nil, "embeddings are learned of classes; the targets are numbers")
    }
    for name in unseen.names where !names.contains(name) {
      throw model.error("unseen", "model.unseen: there is no class '\(name)'")
    }
    let last = Set(unseen.names + names.suffix(unseen.count))
    let seen = (0..<samples.count).filter { !last.contains(names[Int(classes[$0])]) }
    let held = (0..<samples.count).filter { last.contains(names[Int(classes[$0])]) }
    guard !seen.isEmpty else { throw model.error("unseen", "model.unseen: no class is left to train on") }
    func task(_ indices: [Int], training: Bool) throws -> EmbeddingTask {
      EmbeddingTask(
        try SampleBatches(
          samples, indices: indices, transforms: transforms, batchSize: settings.batchSize,
          seed: settings.seed, training: training, dropsLast: training,
          perClass: options.loss == .triplet ? 5 : 1), options: options)
    }
    let training = try task(seen, training: true)
    var net = net
    net.seed = settings.seed
    net.inputShape = training.inputShape
    guard net.inputShape.count == 3 else {
      throw model.error(nil, "model: 'embedding' takes images; the data are samples of shape \(net.inputShape)")
    }
    let deployed = net
    net.classes = options.loss == .centre ? names.count : 0
    return TrainingJob(
      graph: try net.graph(), training: training, test: try task(held, training: false)
    ) { trained in
      try TrainedModel.export(trained, into: deployed.graph(), name: settings.name)
    }
  }

  private func read(_ path: String?) throws -> (Samples, [any Transform]) {
    switch source {
    case .glyphs(let reader): return (reader.read(), [])
    case .samples(let data):
      let samples = try data.read(path ?? data.resolvedPath, part: .training)
      let transforms = try data.transforms.map { transform -> any Transform in
        guard case .transform(let transform) = transform else {
          throw model.error(nil, "data.transforms: 'standardize' is not for embeddings")
        }
        return transform
      }
      return (samples, transforms)
    }
  }
}
