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
    "size", "channels",
  ]

  private var net = EmbeddingNet()
  private var options = EmbeddingTask.Options()
  private let unseen: [String]
  private let model: RecipeSection
  private let data: DataRecipe

  init(model: RecipeSection, data: RecipeSection) throws {
    self.model = model
    self.data = try DataRecipe(data)
    guard !self.data.reader.isText else {
      throw data.error("reader", "data.reader: a text has no classes")
    }
    if let loss = try model.choice("embedding_loss", EmbeddingTask.Loss.self) { options.loss = loss }
    options.margin = try model.number("margin", "greater than 0") { $0 > 0 } ?? options.margin
    options.strength = try model.number("strength", "from 0 on") { $0 >= 0 } ?? options.strength
    options.rate = try model.number("rate", "from 0 to 1") { $0 >= 0 && $0 <= 1 } ?? options.rate
    net.dimensions = try model.integer("dimensions", 1...4_096) ?? net.dimensions
    net.filters = try model.integers("filters", count: 1...8, 1...1_024) ?? net.filters
    unseen = try model.required("unseen", model.strings("unseen"))
  }

  var hasValidation: Bool { false }

  func job(_ settings: SystemSettings) throws -> TrainingJob {
    let path = settings.dataPath ?? data.resolvedPath
    let samples = try data.read(path, part: .training)
    guard case .classes(let classes, let names) = samples.targets else {
      throw model.error(nil, "\(path): embeddings are learned of classes; the targets are numbers")
    }
    for name in unseen where !names.contains(name) {
      throw model.error("unseen", "model.unseen: \(path) has no class '\(name)'")
    }
    let seen = (0..<samples.count).filter { !unseen.contains(names[Int(classes[$0])]) }
    let held = (0..<samples.count).filter { unseen.contains(names[Int(classes[$0])]) }
    guard !seen.isEmpty else { throw model.error("unseen", "model.unseen: no class is left to train on") }
    var transforms: [any Transform] = []
    for transform in data.transforms {
      switch transform {
      case .transform(let transform): transforms.append(transform)
      case .standardize:
        transforms.append(try Normalize.measured(on: samples, indices: seen, after: transforms))
      }
    }
    func task(_ indices: [Int], training: Bool) throws -> EmbeddingTask {
      EmbeddingTask(
        try SampleBatches(
          samples, indices: indices, transforms: transforms, batchSize: settings.batchSize,
          seed: settings.seed, training: training, dropsLast: training), options: options)
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
      let graph = try deployed.graph()
      try graph.copyWeights(from: trained)
      try graph.apply()
      graph.setMetadata("name", settings.name)
      try graph.inferShapes()
      return graph
    }
  }
}
