import Zoo

/// A Differentiable Neural Computer on problems for machines with memory.
struct DNCSystem: RecipeSystem {
  static let recipeName = "dnc"
  static let recipeKeys = ["hidden_size", "locations", "width", "read_heads"] + memoryModelKeys
  static let dataKeys = memoryDataKeys

  private let net: DifferentiableNeuralComputer
  private let data: any MemoryData

  init(model: RecipeSection, data section: RecipeSection) throws {
    data = try memoryData(section, model)
    var net = DifferentiableNeuralComputer()
    net.hiddenSize = try model.integer("hidden_size", 1...8_192) ?? net.hiddenSize
    net.locations = try model.integer("locations", 2...4_096) ?? net.locations
    net.width = try model.integer("width", 1...4_096) ?? net.width
    net.readHeads = try model.integer("read_heads", 1...64) ?? net.readHeads
    self.net = net
  }

  var hasValidation: Bool { data.hasValidation }

  func job(_ settings: SystemSettings) throws -> TrainingJob {
    var net = net
    net.seed = settings.seed
    return try data.job(settings, net)
  }
}
