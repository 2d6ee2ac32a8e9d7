import Foundation

/// A network that learns from samples, and how wrong its outputs are.
public struct SampleRecipe {
  public var model: ModelRecipe
  public var data: DataRecipe
  public var loss: Loss
}

/// What is to be trained, on what and how: a YAML file. docs/training.md explains every key.
public struct Recipe {
  /// The file, as errors call it.
  public let file: String
  /// The file's text, for the report.
  public let text: String
  /// What the trained model is called; the file's name where the recipe does not say.
  public var name: String
  /// What is trained, and on what.
  public var subject: Subject
  public var optimizer: any OptimizerRule
  public var learningRate: Double
  public var schedule: Schedule
  /// Updates in which the learning rate rises in a line at first.
  public var warmUp: Int
  /// Samples in a batch (text: streams side by side); nil: all of them.
  public var batchSize: Int?
  public var epochs: Int
  /// Text: tokens in a window of truncated back-propagation through time.
  public var window: Int
  public var l2: Double
  public var clipNorm: Double?
  public var clipValue: Double?
  /// Epochs without a better watched value after which training stops; nil: never.
  public var patience: Int?
  public var watch: TrainerOptions.Watch
  /// What is shown beside the loss.
  public var metrics: [Metric]
  public var seed: UInt64
  /// Training for int8 in the last epochs; nil: none.
  public var quantization: QuantizationTraining?

  public enum Subject {
    /// A network on samples with targets.
    case samples(SampleRecipe)
    /// A network on a task of its own.
    case system(any RecipeSystem)
  }

  static let keys = [
    "name", "model", "data", "loss", "optimizer", "schedule", "batch_size", "epochs", "window",
    "regularization", "clipping", "early_stopping", "watch", "metrics", "seed",
    "quantization",
  ]

  public init(contentsOf path: String) throws {
    let bytes = try dataBytes(path)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw RecipeError(file: path, line: nil, "not a text in UTF-8")
    }
    try self.init(yaml: text, file: path)
  }

  /// - Parameter file: What errors call it; the data's path is relative to its folder.
  public init(yaml: String, file: String) throws {
    self.file = file
    text = yaml
    let top = try RecipeSection(yaml: yaml, file: file)
    try top.allow(Recipe.keys)
    let fileName = URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
    name = try top.string("name") ?? fileName

    let (modelName, modelSection) = try top.required("model", top.namedSection("model"))
    let dataSection = try top.required("data", top.section("data"))
    if let kind = recipeSystems.first(where: { $0.recipeName == modelName }) {
      for key in ["loss", "window", "metrics", "quantization"] where top.has(key) {
        throw top.error(key, "\(key): not for the model '\(modelName)', which has a task of its own")
      }
      try modelSection.allow(["name"] + kind.recipeKeys)
      try dataSection.allow(kind.dataKeys)
      subject = .system(try kind.init(model: modelSection, data: dataSection))
    } else {
      subject = .samples(
        SampleRecipe(
          model: try ModelRecipe(modelName, modelSection), data: try DataRecipe(dataSection),
          loss: try top.required("loss", top.choice("loss", Loss.self))))
    }
    guard let (rule, optimizerSection) = try top.namedSection("optimizer") else {
      throw top.missing("optimizer")
    }
    (optimizer, learningRate) = try Recipe.optimizer(rule, optimizerSection)
    (schedule, warmUp) = try Recipe.schedule(top.namedSection("schedule"))
    batchSize = try Recipe.batchSize(top)
    epochs = try top.required("epochs", top.integer("epochs"))
    window = try top.integer("window", 1...65_536) ?? 64

    let regularization = try top.section("regularization")
    try regularization?.allow(["l2"])
    l2 = try regularization?.number("l2", "a number from 0 on") { $0 >= 0 } ?? 0
    let clipping = try top.section("clipping")
    try clipping?.allow(["norm", "value"])
    clipNorm = try clipping?.number("norm", "greater than 0") { $0 > 0 }
    clipValue = try clipping?.number("value", "greater than 0") { $0 > 0 }
    let stopping = try top.section("early_stopping")
    try stopping?.allow(["patience"])
    patience = try stopping.map { try $0.required("patience", $0.integer("patience")) }
    watch = try top.choice("watch", TrainerOptions.Watch.self) ?? .loss
    metrics = try (top.strings("metrics") ?? []).map { word in
      guard let metric = Metric(rawValue: word) else {
        let names = Metric.allCases.map(\.rawValue)
        let hint =
          suggestion(for: word, among: names).map { "did you mean '\($0)'?" }
          ?? "there are \(names.joined(separator: ", "))"
        throw top.error("metrics", "metrics: there is no '\(word)'; \(hint)")
      }
      return metric
    }
    seed = UInt64(try top.integer("seed", 0...Int(Int32.max)) ?? 1)
    quantization = try top.section("quantization").map {
      try QuantizationTraining($0, epochs: epochs)
    }

    switch subject {
    case .samples(let samples): try check(samples, top)
    case .system(let system):
      if patience != nil && !system.hasValidation {
        throw top.error(
          "early_stopping", "early_stopping: there is nothing to watch; the task validates nothing")
      }
    }
  }

  private func check(_ samples: SampleRecipe, _ top: RecipeSection) throws {
    let (data, loss) = (samples.data, samples.loss)
    if patience != nil && data.validationShare == 0 {
      throw top.error(
        "early_stopping", "early_stopping: there is nothing to watch; give 'data.split.validation'")
    }
    if watch == .measure {
      throw top.error("watch", "watch: 'measure' is for models with a task of their own")
    }
    if watch == .accuracy && !loss.countsHits {
      throw top.error("watch", "watch: 'accuracy' is for classes; the loss is '\(loss.rawValue)'")
    }
    if data.reader.isText && !loss.usesClasses {
      throw top.error("loss", "loss: text is learned with 'cross-entropy'")
    }
    if top.has("window") && !data.reader.isText {
      throw top.error("window", "window: only text is cut into windows")
    }
    if optimizer is any SearchRule { try checkSearch(top) }
    if data.reader.isText && batchSize == nil {
      throw top.error("batch_size", "batch_size: text needs a number of streams, not 'full'")
    }
  }

  /// A rule that looks at the loss elsewhere wants one loss, that of all samples, and its gradient.
  private func checkSearch(_ top: RecipeSection) throws {
    let name = "'\(optimizer.name)'"
    if batchSize != nil {
      throw top.error("batch_size", "batch_size: \(name) sees all samples at once; it must be 'full'")
    }
    if top.has("schedule") {
      throw top.error("schedule", "schedule: \(name) has no learning rate; it finds its own lengths")
    }
    if top.has("clipping") {
      throw top.error("clipping", "clipping: \(name) needs the gradient as it is")
    }
    if top.has("quantization") {
      throw top.error("quantization", "quantization: \(name) cannot train for int8")
    }
  }

  private static func batchSize(_ top: RecipeSection) throws -> Int? {
    guard top.has("batch_size") else { throw top.missing("batch_size") }
    if (try? top.string("batch_size")) == "full" { return nil }
    do {
      return try top.integer("batch_size", 1...1 << 20)
    } catch let error as RecipeError {
      throw RecipeError(
        file: error.file, line: error.line,
        error.message.replacingOccurrences(of: ", and is", with: " or 'full', and is"))
    }
  }

  /// Takes another number of epochs; of so few that none is left in floats, all train for int8.
  public mutating func setEpochs(_ count: Int) {
    epochs = count
    guard var part = quantization else { return }
    part.epochs = min(part.epochs, count)
    part.frozenEpochs = min(part.frozenEpochs, part.epochs - 1)
    quantization = part
  }

  /// The trainer's options.
  public var trainerOptions: TrainerOptions {
    var options = TrainerOptions()
    options.epochs = epochs
    if case .samples(let samples) = subject {
      options.loss = samples.loss
      options.lossWeights = samples.model.lossWeights
    }
    options.rule = optimizer
    options.learningRate = learningRate
    options.schedule = schedule
    options.warmUp = warmUp
    options.l2 = Float(l2)
    options.clipNorm = clipNorm.map { Float($0) }
    options.clipValue = clipValue.map { Float($0) }
    options.patience = patience
    options.watch = watch
    options.seed = seed
    options.quantization = quantization
    return options
  }
}
