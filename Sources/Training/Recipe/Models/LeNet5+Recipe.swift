import Graph
import Zoo

extension LeNet5: RecipeModel {
  static let recipeName = "lenet5"
  static let recipeKeys = ["activation", "subsampling", "connections", "dropout"]

  init(_ section: RecipeSection) throws {
    self.init()
    activation = try section.choice("activation", Activation.self) ?? activation
    subsampling = try section.choice("subsampling", Subsampling.self) ?? subsampling
    connections = try section.choice("connections", Connections.self) ?? connections
    dropout = try section.dropout()
  }

  func graph(_ task: ModelRecipe.Task) throws -> Graph {
    try task.require("images of shape [1, 32, 32]", task.inputShape == [1, 32, 32])
    var net = self
    net.classes = task.outputs
    net.seed = task.seed
    return try net.graph()
  }
}
