import Graph
import Zoo

/// A Neural Turing Machine on problems of memory.
struct NTMSystem: RecipeSystem {
  static let recipeName = "ntm"
  static let recipeKeys = [
    "controller", "hidden_size", "locations", "width", "read_heads", "write_heads", "shifts",
  ]
  static let dataKeys = MemoryData.keys

  private let net: NeuralTuringMachine
  private let data: MemoryData

  init(model: RecipeSection, data section: RecipeSection) throws {
    data = try MemoryData(section)
    var net = NeuralTuringMachine()
    net.controller =
      try model.choice("controller", NeuralTuringMachine.Controller.self) ?? net.controller
    net.hiddenSize = try model.integer("hidden_size", 1...8_192) ?? net.hiddenSize
    net.locations = try model.integer("locations", 2...65_536) ?? net.locations
    net.width = try model.integer("width", 1...4_096) ?? net.width
    net.readHeads = try model.integer("read_heads", 1...64) ?? net.readHeads
    net.writeHeads = try model.integer("write_heads", 1...64) ?? net.writeHeads
    net.shifts = try model.integer("shifts", 1...63) ?? net.shifts
    guard net.shifts % 2 == 1, net.shifts <= net.locations else {
      throw model.error("shifts", "model.shifts must be odd and at most as many as locations")
    }
    (net.inputs, net.outputs) = data.problem.widths(bits: data.bits)
    self.net = net
  }

  var hasValidation: Bool { true }

  func job(_ settings: SystemSettings) throws -> TrainingJob {
    var net = net
    net.seed = settings.seed
    let heads = (0..<net.readHeads + net.writeHeads).map { i in
      let isReader = i < net.readHeads
      return MemoryTask.Head(
        output: 1, index: i,
        title: isReader ? "Read head \(i + 1)" : "Write head \(i - net.readHeads + 1)")
    }
    return try data.job(settings, heads: heads) { [net] batch in try net.graph(batch: batch) }
  }
}

/// The section `data` of a recipe whose model learns a problem of memory.
struct MemoryData {
  static let keys = [
    "problem", "bits", "length", "repeats", "sequences", "validation", "test",
  ]

  let problem: MemoryProblem
  let bits: Int
  private let length: ClosedRange<Int>
  private let repeats: ClosedRange<Int>
  /// In an epoch.
  private let sequences: Int
  /// Sizes that are validated and tested with.
  private let validation: MemoryProblem.Size
  private let test: MemoryProblem.Size?

  init(_ section: RecipeSection) throws {
    problem = try section.required(
      "problem", section.choice("problem", MemoryProblem.self))
    bits = try section.integer("bits", 1...256) ?? 8
    let least = problem == .associativeRecall ? 2 : 1
    length = try section.range("length", least...10_000) ?? least...(problem == .copy ? 20 : 10)
    repeats = try section.range("repeats", 1...1_000) ?? (problem == .repeatCopy ? 1...10 : 1...1)
    sequences = try section.integer("sequences") ?? 3_200
    validation =
      try MemoryData.size(section.section("validation"), problem, least)
      ?? MemoryProblem.Size(length: length.upperBound, repeats: repeats.upperBound)
    test = try MemoryData.size(section.section("test"), problem, least)
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

  func job(
    _ settings: SystemSettings, heads: [MemoryTask.Head],
    _ graph: (Int) throws -> Graph
  ) throws -> TrainingJob {
    func task(_ size: MemoryProblem.Size, part: Int) -> MemoryTask {
      MemoryTask(
        problem, bits: bits, length: size.length...size.length, repeats: size.repeats...size.repeats,
        batchSize: settings.batchSize, batchCount: max(1, 64 / settings.batchSize),
        seed: settings.seed, part: part, heads: heads)
    }
    let deployed = try graph(1)
    return TrainingJob(
      graph: try graph(settings.batchSize),
      training: MemoryTask(
        problem, bits: bits, length: length, repeats: repeats, batchSize: settings.batchSize,
        batchCount: max(1, sequences / settings.batchSize), seed: settings.seed, part: 3),
      validation: task(validation, part: 4), test: test.map { task($0, part: 5) }
    ) { trained in
      try TrainedModel.export(
        trained, into: deployed, loss: .binaryCrossEntropy, name: settings.name)
    }
  }
}
