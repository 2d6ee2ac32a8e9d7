import Graph
import Zoo

/// What a machine with memory learns: the section `data` of its recipe.
protocol MemoryData {
  /// What `data.problem` may be.
  static var problems: [String] { get }
  /// The keys of `data` beside `problem`, and those that it wants of `model`.
  static var keys: [String] { get }
  static var modelKeys: [String] { get }

  init(_ data: RecipeSection, model: RecipeSection) throws

  var hasValidation: Bool { get }

  /// - Parameter machine: but for what it is shown and says.
  func job(_ settings: SystemSettings, _ machine: some MemoryMachine) throws -> TrainingJob
}

private let kinds: [any MemoryData.Type] = [BitData.self, QuestionData.self, PathData.self]

let memoryDataKeys = unique(["problem"] + kinds.flatMap { $0.keys })
let memoryModelKeys = unique(kinds.flatMap { $0.modelKeys })

private func unique(_ words: [String]) -> [String] {
  words.enumerated().filter { !words[..<$0].contains($1) }.map(\.element)
}

/// The data of the problem that is named.
func memoryData(_ data: RecipeSection, _ model: RecipeSection) throws -> any MemoryData {
  let problem = try data.required(
    "problem", data.choice("problem", kinds.flatMap { $0.problems }))
  let kind = kinds.first { $0.problems.contains(problem) }!
  try data.allow(["problem"] + kind.keys)
  for key in memoryModelKeys where model.has(key) && !kind.modelKeys.contains(key) {
    throw model.error(key, "model.\(key): not for the problem '\(problem)'")
  }
  return try kind.init(data, model: model)
}

extension MemoryData {
  /// The machine is trained `batchSize` side by side, and deployed alone.
  func job(
    _ settings: SystemSettings, _ machine: some MemoryMachine, loss: Loss,
    labels: [String]? = nil, training: any TrainingTask, validation: (any TrainingTask)?,
    test: (any TrainingTask)?
  ) throws -> TrainingJob {
    let deployed = try machine.graph(batch: 1)
    return TrainingJob(
      graph: try machine.graph(batch: settings.batchSize), training: training,
      validation: validation, test: test
    ) { trained in
      try TrainedModel.export(
        trained, into: deployed, loss: loss, labels: labels, name: settings.name)
    }
  }
}
