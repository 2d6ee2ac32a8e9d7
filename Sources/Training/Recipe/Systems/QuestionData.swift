import Zoo

/// Stories with questions, in bAbI's format: of files, or made.
struct QuestionData: MemoryData {
  static let problems = ["questions"]
  static let keys = [
    "path", "split", "task", "statements", "questions", "stories", "test_stories", "curriculum",
  ]
  static let modelKeys = ["embedding"]

  /// A file, or a folder of files; nil: stories are made.
  private let path: String?
  private let shares: (validation: Double, test: Double)
  private let splitSeed: UInt64
  private let generator: QuestionGenerator
  private let questions: Curriculum
  private let counts: (training: Int, test: Int)
  private let embedding: Int

  init(_ data: RecipeSection, model: RecipeSection) throws {
    path = try data.string("path").map { data.resolve($0) }
    let split = try data.section("split")
    try split?.allow(["validation", "test", "seed"])
    func share(_ key: String, _ value: Double) throws -> Double {
      try split?.number(key, "a share from 0 to below 1") { $0 >= 0 && $0 < 1 } ?? value
    }
    shares = (try share("validation", 0.1), try share("test", 0.1))
    splitSeed = UInt64(try split?.integer("seed", 0...Int(Int32.max)) ?? 1)
    generator = QuestionGenerator(
      task: try data.choice("task", QuestionGenerator.Task.self) ?? .oneFact,
      statements: try data.range("statements", 1...1_000) ?? 2...2)
    questions = Curriculum(
      range: try data.range("questions", 1...1_000) ?? 1...5,
      epochs: try data.integer("curriculum") ?? 0)
    counts = (try data.integer("stories") ?? 1_000, try data.integer("test_stories") ?? 500)
    embedding = try model.integer("embedding", 1...8_192) ?? 32
    for key in ["task", "statements", "questions", "stories", "test_stories", "curriculum"]
    where path != nil && data.has(key) {
      throw data.error(key, "data.\(key): says what stories are made, but data.path has them")
    }
    if path == nil, data.has("split") {
      throw data.error("split", "data.split: is for the stories of data.path; made ones need none")
    }
  }

  var hasValidation: Bool { path == nil || shares.validation > 0 }

  func job(_ settings: SystemSettings, _ machine: some MemoryMachine) throws -> TrainingJob {
    let sources = try sources(settings.dataPath ?? path)
    var machine = machine
    machine.inputs = embedding
    machine.tokens = sources.words.count
    machine.outputs = sources.words.count
    func task(_ source: QuestionTask.Source?, _ count: Int, trains: Bool = false) -> QuestionTask? {
      source.map {
        QuestionTask(
          $0, words: sources.words, count: count, batchSize: settings.batchSize,
          seed: settings.seed, isTraining: trains, heads: trains ? [] : machine.heads)
      }
    }
    // Token i is label i: 0 stands for any word that is not known.
    return try job(
      settings, machine, loss: .crossEntropy, labels: sources.words,
      training: task(sources.training, counts.training, trains: true)!,
      validation: task(sources.validation, min(counts.test, 100)),
      test: task(sources.test, counts.test))
  }

  private struct Sources {
    var words: [String]
    var training: QuestionTask.Source
    var validation: QuestionTask.Source?
    var test: QuestionTask.Source?
  }

  private func sources(_ path: String?) throws -> Sources {
    guard let path else {
      func made(_ part: QuestionGenerator.Part) -> QuestionTask.Source {
        // What is tested with is as long as stories get.
        let most = questions.range.upperBound
        return .made(
          generator, part, part == .training ? questions : Curriculum(range: most...most))
      }
      return Sources(
        words: vocabulary(generator.words), training: made(.training),
        validation: made(.validation), test: made(.test))
    }
    let read = try QuestionFiles(path)
    let split = try Split(
      count: read.training.count, validation: shares.validation,
      test: read.test.isEmpty ? shares.test : 0, seed: splitSeed)
    func chosen(_ numbers: [Int]) -> [QuestionStory] { numbers.map { read.training[$0] } }
    let training = chosen(split.training)
    let test = read.test.isEmpty ? chosen(split.test) : read.test
    let words = training.flatMap(\.steps).flatMap { [$0.word] + ($0.answer.map { [$0] } ?? []) }
    return Sources(
      words: vocabulary(words), training: .read(training),
      validation: split.validation.isEmpty ? nil : .read(chosen(split.validation)),
      test: test.isEmpty ? nil : .read(test))
  }

  private func vocabulary(_ words: [String]) -> [String] { ["<other>"] + Set(words).sorted() }
}
