import Zoo

/// Shortest paths in random graphs.
struct PathData: MemoryData {
  static let problems = ["shortest-path"]
  static let keys = [
    "labels", "nodes", "density", "length", "planning", "graphs", "curriculum", "test",
  ]
  static let modelKeys: [String] = []

  private let problem: PathProblem
  private let sizes: PathTask.Sizes
  /// In an epoch.
  private let graphs: Int
  /// The number to test with, and the length of their paths; nil: all lengths.
  private let test: (graphs: Int, length: Int?)

  init(_ data: RecipeSection, model: RecipeSection) throws {
    problem = PathProblem(
      labels: try data.integer("labels", 3...1_000) ?? 10,
      planning: try data.integer("planning", 0...1_000) ?? 5)
    let nodes = try data.range("nodes", 2...problem.labels) ?? min(4, problem.labels)...min(6, problem.labels)
    let length = try data.range("length", 1...100) ?? 1...3
    let density = try data.range("density", 1...100) ?? 30...30
    guard length.upperBound < nodes.upperBound else {
      throw data.error(
        "length", "data.length: a path of \(length.upperBound) edges needs more than "
          + "\(nodes.upperBound) nodes (data.nodes)")
    }
    let epochs = try data.integer("curriculum") ?? 0
    sizes = PathTask.Sizes(
      nodes: Curriculum(range: nodes, epochs: epochs), density: density,
      length: Curriculum(range: length, epochs: epochs))
    graphs = try data.integer("graphs") ?? 3_200
    let part = try data.section("test")
    try part?.allow(["graphs", "length"])
    test = (
      try part?.integer("graphs") ?? 640, try part?.integer("length", 1...nodes.upperBound - 1)
    )
  }

  var hasValidation: Bool { true }

  func job(_ settings: SystemSettings, _ machine: some MemoryMachine) throws -> TrainingJob {
    var machine = machine
    machine.inputs = problem.inputWidth
    machine.outputs = problem.outputWidth
    machine.answers = 3
    func task(_ graphs: Int, part: Int, trains: Bool = false) -> PathTask {
      var sizes = sizes
      if !trains {
        sizes.nodes.epochs = 0
        sizes.length.epochs = 0
        if part == 15, let length = test.length { sizes.length = Curriculum(range: length...length) }
      }
      return PathTask(
        problem, sizes, batchSize: settings.batchSize,
        batchCount: max(1, graphs / settings.batchSize), seed: settings.seed, part: part,
        heads: trains ? [] : machine.heads)
    }
    return try job(
      settings, machine, loss: .crossEntropy, training: task(graphs, part: 13, trains: true),
      validation: task(128, part: 14), test: task(test.graphs, part: 15))
  }
}
