import Graph
import Zoo

extension MLP: RecipeModel {
  static let recipeName = "mlp"
  static let recipeKeys = ["hidden", "activation", "output_activation", "dropout"]

  init(_ section: RecipeSection) throws {
    self.init()
    hidden = try section.integers("hidden", count: 0...64, 1...65_536) ?? hidden
    activation = try section.choice("activation", Activation.self) ?? activation
    outputActivation =
      try section.choice("output_activation", Activation.self) ?? outputActivation
    dropout = try section.dropout()
  }

  func graph(_ task: ModelRecipe.Task) throws -> Graph {
    try task.require("numbers", !task.hasTokens)
    var net = self
    net.inputShape = task.inputShape
    net.outputs = task.outputs
    net.seed = task.seed
    return try net.graph()
  }
}
