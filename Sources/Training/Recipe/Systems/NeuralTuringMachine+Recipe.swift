import Zoo

/// A Neural Turing Machine on problems for machines with memory.
struct NTMSystem: RecipeSystem {
  static let recipeName = "ntm"
  static let recipeKeys =
    ["controller", "hidden_size", "locations", "width", "read_heads", "write_heads", "shifts"]
    + memoryModelKeys
  static let dataKeys = memoryDataKeys

  private let net: NeuralTuringMachine
  private let data: any MemoryData

  init(model: RecipeSection, data section: RecipeSection) throws {
    data = try memoryData(section, model)
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
    self.net = net
  }

  var hasValidation: Bool { data.hasValidation }

  func job(_ settings: SystemSettings) throws -> TrainingJob {
    var net = net
    net.seed = settings.seed
    return try data.job(settings, net)
  }
}
