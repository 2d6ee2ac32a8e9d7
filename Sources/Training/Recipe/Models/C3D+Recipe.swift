import Graph
import Zoo

extension C3D: RecipeModel {
  static let recipeName = "c3d"
  static let recipeKeys = ["width", "dropout", "batch_normalization"]

  init(_ section: RecipeSection) throws {
    self.init()
    width = try section.number("width", "from 0.01 to 8") { $0 >= 0.01 && $0 <= 8 } ?? width
    if section.has("dropout") { dropout = try section.dropout() }
    isNormalized = try section.bool("batch_normalization") ?? isNormalized
  }

  func graph(_ task: ModelRecipe.Task) throws -> Graph {
    let shape = task.inputShape
    try task.require(
      "films [channels, frames, size, size] of at least 16 frames and 24 pixels",
      !task.hasTokens && shape.count == 4 && shape[1] >= 16 && shape[2] == shape[3]
        && shape[2] >= 24)
    var net = self
    (net.channels, net.frames, net.size) = (shape[0], shape[1], shape[2])
    (net.classes, net.seed) = (task.outputs, task.seed)
    return try net.graph(isDeployed: task.isDeployed)
  }
}
