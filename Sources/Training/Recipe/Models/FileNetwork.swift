import Graph

/// A model of a file that is trained on: one that was imported, or trained before.
struct FileNetwork: RecipeModel {
  static let recipeName = "file"
  static let recipeKeys = ["path"]

  let path: String

  init(_ section: RecipeSection) throws {
    path = section.resolve(try section.required("path", section.string("path")))
  }

  /// The graph, ready to be trained: its weights are marked, and the loss's softmax or sigmoid is
  /// off its end.
  func graph(_ task: ModelRecipe.Task) throws -> Graph {
    let graph: Graph
    do { graph = try Graph(decoding: dataBytes(path)) } catch let error as GraphError {
      throw TrainingError("\(path): \(error)")
    }
    guard let function = graph.mainFunction else {
      throw TrainingError("\(path): it has no function")
    }
    if let weight = graph.weights.first(where: { $0.logicalType != $0.dataType })
      ?? graph.functions.lazy.flatMap(\.nodes).compactMap(FileNetwork.integerWeight).first
    {
      throw TrainingError(
        "\(path): weight '\(weight.name)' is \(weight.dataType.name); only float32 is trained: "
          + "give the model that this was made of")
    }
    try graph.inferShapes()
    guard function.inputs.count == 1, function.outputs.count == 1, let input = function.inputs.first
    else {
      throw TrainingError(
        "\(path): it has \(function.inputs.count) inputs and \(function.outputs.count) outputs; "
          + "one of each can be trained")
    }
    let shape = input.shape?.dropFirst().map(\.fixed)
    guard task.hasTokens || shape == task.inputShape else {
      let has =
        input.shape.map { "[\($0.map(\.description).joined(separator: ", "))]" } ?? "not known"
      throw TrainingError(
        "\(path): its input '\(input.name)' is \(has); the samples are \(task.inputShape)")
    }
    TrainedModel.removeProbabilities(function, task.loss)
    FileNetwork.markWeights(graph)
    return graph
  }

  /// The weight of a layer that computes in integers.
  private static func integerWeight(_ node: Node) -> Value? {
    guard node.op.hasPrefix("QLinear") || node.op.hasPrefix("DynamicQuantize")
      || node.op.hasSuffix("Integer")
    else { return nil }
    return node.inputs.lazy.compactMap { $0 }.first {
      $0.kind == .weight && ($0.dataType == .int8 || $0.dataType == .uint8) && ($0.count ?? 0) > 1
    }
  }

  /// Files do not say which constants are weights: those are that layers multiply with or add.
  private static func markWeights(_ graph: Graph) {
    for weight in graph.weights { weight.isTrainable = false }
    for node in graph.functions.flatMap(\.nodes) {
      for k in inputs[node.op] ?? [] {
        guard let value = node.input(k), value.kind == .weight, value.dataType == .float32,
          value.quantization == nil, !(value.shape ?? []).isEmpty
        else { continue }
        value.isTrainable = true
      }
    }
  }

  private static let inputs: [String: [Int]] = [
    "Conv": [1, 2], "ConvTranspose": [1, 2], "Gemm": [1, 2], "MatMul": [0, 1], "Gather": [0],
    "RNN": [1, 2, 3], "GRU": [1, 2, 3], "LSTM": [1, 2, 3, 7], "Add": [0, 1], "PRelu": [1],
    "BatchNormalization": [1, 2], "LayerNormalization": [1, 2], "RMSNormalization": [1],
    "InstanceNormalization": [1, 2], "GroupNormalization": [1, 2],
  ]
}
