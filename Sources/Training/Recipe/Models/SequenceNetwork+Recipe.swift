import Graph
import Zoo

extension SequenceNetwork: RecipeModel {
  static let recipeName = "sequence"
  static let recipeKeys = [
    "cell", "layers", "hidden_size", "bidirectional", "peepholes", "read", "dropout", "embedding",
    "forget_bias",
  ]

  init(_ section: RecipeSection) throws {
    self.init()
    cell = try section.cell() ?? cell
    layers = try section.integer("layers", 1...64) ?? layers
    hiddenSize = try section.integer("hidden_size", 1...8_192) ?? hiddenSize
    isBidirectional = try section.bool("bidirectional") ?? isBidirectional
    hasPeepholes = try section.bool("peepholes") ?? hasPeepholes
    if hasPeepholes && cell != .lstm {
      throw section.error("peepholes", "model: only the cell 'lstm' has peepholes")
    }
    reading = try section.choice("read", Reading.self) ?? reading
    embedding = try section.integer("embedding", 1...8_192) ?? embedding
    forgetBias = Float(try section.number("forget_bias") ?? Double(forgetBias))
    dropout = try section.dropout()
  }

  func graph(_ task: ModelRecipe.Task) throws -> Graph {
    try task.require(
      "sequences of numbers, samples of shape [steps, features]",
      !task.hasTokens && task.inputShape.count == 2)
    guard reading != .each else {
      throw TrainingError("model: a sample has one target; 'read' is 'last' or 'mean'")
    }
    var net = self
    net.input = .numbers(features: task.inputShape[1])
    net.outputs = task.outputs
    net.seed = task.seed
    return try net.graph()
  }
}

extension JordanNetwork: RecipeModel {
  static let recipeName = "jordan"
  static let recipeKeys = ["hidden_size", "activation", "decay"]

  init(_ section: RecipeSection) throws {
    self.init()
    hiddenSize = try section.integer("hidden_size", 1...8_192) ?? hiddenSize
    activation = try section.choice("activation", Activation.self) ?? activation
    decay = Float(
      try section.number("decay", "from 0 to less than 1") { $0 >= 0 && $0 < 1 } ?? Double(decay))
  }

  func graph(_ task: ModelRecipe.Task) throws -> Graph {
    try task.require(
      "sequences of numbers, samples of shape [steps, features]",
      !task.hasTokens && task.inputShape.count == 2)
    var net = self
    (net.steps, net.features) = (task.inputShape[0], task.inputShape[1])
    net.outputs = task.outputs
    net.seed = task.seed
    return try net.graph()
  }
}

extension RecipeSection {
  /// A kind of recurrent layer, in lower case.
  func cell() throws -> RecurrentCell? {
    let cells = RecurrentCell.allCases.map { $0.rawValue.lowercased() }
    return try choice("cell", cells).map { RecurrentCell(rawValue: $0.uppercased())! }
  }
}
