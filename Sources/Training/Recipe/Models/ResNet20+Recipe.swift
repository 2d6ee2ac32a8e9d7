import Graph
import Zoo

extension ResNet20: RecipeModel {
  static let recipeName = "resnet"
  static let recipeKeys = ["blocks", "shortcut"]

  init(_ section: RecipeSection) throws {
    self.init()
    blocks = try section.integer("blocks", 1...200) ?? blocks
    shortcut = try section.choice("shortcut", Shortcut.self) ?? shortcut
  }

  func graph(_ task: ModelRecipe.Task) throws -> Graph {
    try task.require(
      "images of shape [channels, 32, 32]",
      task.inputShape.count == 3 && task.inputShape.dropFirst() == [32, 32])
    var net = self
    net.channels = task.inputShape[0]
    net.classes = task.outputs
    net.seed = task.seed
    return try net.graph()
  }
}
