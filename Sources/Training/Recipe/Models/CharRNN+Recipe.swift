import Graph
import Zoo

extension CharRNN: RecipeModel {
  static let recipeName = "char-rnn"
  static let recipeKeys = ["cell", "embedding", "hidden_size", "layers", "dropout"]

  init(_ section: RecipeSection) throws {
    self.init(vocabulary: 1)
    cell = try section.cell() ?? cell
    embedding = try section.integer("embedding", 1...8_192) ?? embedding
    hiddenSize = try section.integer("hidden_size", 1...8_192) ?? hiddenSize
    layers = try section.integer("layers", 1...64) ?? layers
    dropout = try section.dropout()
  }

  func graph(_ task: ModelRecipe.Task) throws -> Graph {
    try task.require("text", task.hasTokens)
    var net = self
    net.vocabulary = task.outputs
    net.seed = task.seed
    return try net.graph(batch: task.batch)
  }
}
