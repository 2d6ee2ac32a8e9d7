import Graph
import Zoo

/// Sequence to sequence with attention, on pairs of texts.
struct TranslatorSystem: RecipeSystem {
  static let recipeName = "translator"
  static let recipeKeys = [
    "attention", "cell", "embedding", "hidden_size", "dropout", "beams", "longest",
  ]
  static let dataKeys = ["problem", "path", "pairs", "validation", "test", "minimum_count"]

  private let net: Translator
  private let beams: Int
  private let longest: Int?
  private let problem: String
  private let path: String?
  /// Pairs of an epoch; of the validation and test parts.
  private let counts: (training: Int, validation: Int, test: Int)
  private let minimumCount: Int

  init(model: RecipeSection, data: RecipeSection) throws {
    var net = Translator()
    net.attention = try model.choice("attention", AttentionKind.self) ?? net.attention
    if let word = try model.choice("cell", ["lstm", "gru"]) {
      net.cell = word == "lstm" ? .lstm : .gru
    }
    net.embedding = try model.integer("embedding", 1...8_192) ?? net.embedding
    net.hiddenSize = try model.integer("hidden_size", 1...8_192) ?? net.hiddenSize
    net.dropout = try model.dropout()
    self.net = net
    beams = try model.integer("beams", 1...64) ?? 4
    longest = try model.integer("longest", 1...10_000)
    problem = try data.required("problem", data.choice("problem", ["dates", "numbers", "pairs"]))
    path = try data.string("path").map { data.resolve($0) }
    if (path == nil) == (problem == "pairs") {
      throw data.error("path", "data.path is the file of 'pairs', and of no other problem")
    }
    counts = (
      try data.integer("pairs") ?? 10_000, try data.integer("validation") ?? 500,
      try data.integer("test") ?? 2_000
    )
    minimumCount = try data.integer("minimum_count") ?? 1
  }

  var hasValidation: Bool { true }

  func job(_ settings: SystemSettings) throws -> TrainingJob {
    let problem: TranslationProblem =
      switch problem {
      case "dates": .dates
      case "numbers": .numbers
      default: try .read(settings.dataPath ?? path ?? "")
      }
    // A day, number or line that is tested with is not trained on.
    var random = SeededRandom(seed: settings.seed, 6)
    let order = random.permutation(problem.count)
    let held = min(problem.count / 4, counts.validation + counts.test)
    let validation = held * counts.validation / max(1, counts.validation + counts.test)
    let texts = problem.characters()
    let source = Vocabulary(charactersOf: texts.source, minimumCount: minimumCount)
    let target = Vocabulary(charactersOf: texts.target, minimumCount: minimumCount)
    var lengths = (source: 1, target: 1)
    for number in order.prefix(20_000) {
      let pair = problem.pair(number, &random)
      lengths.source = max(lengths.source, pair.source.unicodeScalars.count)
      lengths.target = max(lengths.target, pair.target.unicodeScalars.count)
    }
    var net = net
    net.seed = settings.seed
    net.sourceTokens = source.count + 1
    net.targetTokens = target.count + 1
    func task(_ range: Range<Int>, _ count: Int, part: Int) -> DecoderTask {
      DecoderTask(
        TranslationPairs(
          problem, numbers: Array(order[range]), source: source, target: target,
          sourceLength: lengths.source, batchSize: settings.batchSize,
          batchCount: max(1, count / settings.batchSize), seed: settings.seed, part: part))
    }
    let deployed = try net.translationGraph(
      beams: beams, length: longest ?? lengths.target + lengths.target / 4 + 1)
    return TrainingJob(
      graph: try net.trainingGraph(batch: settings.batchSize, sourceLength: lengths.source),
      training: task(held..<order.count, counts.training, part: 7),
      validation: task(0..<validation, counts.validation, part: 8),
      test: task(validation..<held, counts.test, part: 9)
    ) { trained in
      let graph = try TrainedModel.export(trained, into: deployed, name: settings.name)
      func text(_ vocabulary: Vocabulary) -> String {
        String(String.UnicodeScalarView(vocabulary.scalars))
      }
      // Token i + 2 is character i; 0 ends, 1 begins (in a target) or stands for any other character.
      graph.setMetadata("source_characters", text(source))
      graph.setMetadata("target_characters", text(target))
      return graph
    }
  }
}
