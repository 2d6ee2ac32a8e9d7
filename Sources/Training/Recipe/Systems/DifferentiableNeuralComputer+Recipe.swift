import Graph
import Zoo

/// A Differentiable Neural Computer on problems of memory.
struct DNCSystem: RecipeSystem {
  static let recipeName = "dnc"
  static let recipeKeys = ["hidden_size", "locations", "width", "read_heads"]
  static let dataKeys = MemoryData.keys

  private let net: DifferentiableNeuralComputer
  private let data: MemoryData

  init(model: RecipeSection, data section: RecipeSection) throws {
    data = try MemoryData(section)
    var net = DifferentiableNeuralComputer()
    net.hiddenSize = try model.integer("hidden_size", 1...8_192) ?? net.hiddenSize
    net.locations = try model.integer("locations", 2...4_096) ?? net.locations
    net.width = try model.integer("width", 1...4_096) ?? net.width
    net.readHeads = try model.integer("read_heads", 1...64) ?? net.readHeads
    (net.inputs, net.outputs) = data.problem.widths(bits: data.bits)
    self.net = net
  }

  var hasValidation: Bool { true }

  func job(_ settings: SystemSettings) throws -> TrainingJob {
    var net = net
    net.seed = settings.seed
    let heads =
      (0..<net.readHeads).map {
        MemoryTask.Head(output: 1, index: $0, title: "Read head \($0 + 1)")
      } + [MemoryTask.Head(output: 2, index: 0, title: "Write head")]
    return try data.job(settings, heads: heads) { [net] batch in try net.graph(batch: batch) }
  }
}
