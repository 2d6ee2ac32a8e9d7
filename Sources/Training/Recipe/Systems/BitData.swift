import Zoo

/// Sequences of vectors of bits: to copy, to repeat, to recall.
struct BitData: MemoryData {
  static let problems = MemoryProblem.allCases.map(\.rawValue)
  static let keys = ["bits", "length", "repeats", "sequences", "curriculum", "validation", "test"]
  static let modelKeys: [String] = []

  private let problem: MemoryProblem
  private let bits: Int
  private let length: Curriculum
  private let repeats: Curriculum
  /// In an epoch.
  private let sequences: Int
  /// Sizes that are validated and tested with.
  private let validation: MemoryProblem.Size
  private let test: MemoryProblem.Size?

  init(_ section: RecipeSection, model: RecipeSection) throws {
    problem = try section.required("problem", section.choice("problem", MemoryProblem.self))
    bits = try section.integer("bits", 1...256) ?? 8
    let least = problem == .associativeRecall ? 2 : 1
    let lengths =
      try section.range("length", least...10_000) ?? least...(problem == .copy ? 20 : 10)
    let repeated =
      try section.range("repeats", 1...1_000) ?? (problem == .repeatCopy ? 1...10 : 1...1)
    sequences = try section.integer("sequences") ?? 3_200
    let epochs = try section.integer("curriculum") ?? 0
    length = Curriculum(range: lengths, epochs: epochs)
    repeats = Curriculum(range: repeated, epochs: epochs)
    validation =
      try BitData.size(section.section("validation"), problem, least)
      ?? MemoryProblem.Size(length: lengths.upperBound, repeats: repeated.upperBound)
    test = try BitData.size(section.section("test"), problem, least)
  }

  private static func size(
    _ part: RecipeSection?, _ problem: MemoryProblem, _ least: Int
  ) throws -> MemoryProblem.Size? {
    guard let part else { return nil }
    try part.allow(["length"] + (problem == .repeatCopy ? ["repeats"] : []))
    return MemoryProblem.Size(
      length: try part.required("length", part.integer("length", least...100_000)),
      repeats: try part.integer("repeats", 1...100_000) ?? 1)
  }

  var hasValidation: Bool { true }

  func job(_ settings: SystemSettings, _ machine: some MemoryMachine) throws -> TrainingJob {
    var machine = machine
    (machine.inputs, machine.outputs) = problem.widths(bits: bits)
    func task(_ size: MemoryProblem.Size, part: Int) -> MemoryTask {
      MemoryTask(
        problem, bits: bits, length: Curriculum(range: size.length...size.length),
        repeats: Curriculum(range: size.repeats...size.repeats), batchSize: settings.batchSize,
        batchCount: max(1, 64 / settings.batchSize), seed: settings.seed, part: part,
        heads: machine.heads)
    }
    return try job(
      settings, machine, loss: .binaryCrossEntropy,
      training: MemoryTask(
        problem, bits: bits, length: length, repeats: repeats, batchSize: settings.batchSize,
        batchCount: max(1, sequences / settings.batchSize), seed: settings.seed, part: 3),
      validation: task(validation, part: 4), test: test.map { task($0, part: 5) })
  }
}
