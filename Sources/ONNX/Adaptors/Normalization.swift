import Graph

/// BatchNormalization before opset 9: statistics for each position of each channel where `spatial`
/// is 0.
func spatial(_ node: ImportNode) throws {
  let isSpatial = node.int("spatial") ?? 1 == 1
  guard try isSpatial || node.rank(0) == 2 else {
    throw NodeProblem(
      "its attribute spatial is 0", instead: "statistics by channel are supported")
  }
  node.drop("spatial")
}

/// Outputs beside y are training's: before opset 14 they say by their presence that the node trains,
/// from then on training_mode does.
func batchNormalization(_ node: ImportNode) throws {
  if node.opset >= 14 && node.int("training_mode") == 1 { return }
  let others = node.outputs.dropFirst()
  guard others.isEmpty || (node.opset >= 14 || node.opset < 7) && others.allSatisfy({ $0 == nil })
  else {
    throw NodeProblem(
      "it has the mean and variance outputs, which only training computes",
      instead: "export the model for inference")
  }
  node.outputs = [node.outputs.first ?? nil]
  node.drop("momentum")
}

/// GroupNormalization before opset 21: one scale and one bias for each group, not for each channel.
func groupParameters(_ node: ImportNode) throws {
  guard let shape = node.shape(0), shape.count > 1, let channels = shape[1].fixed,
    let groups = node.int("num_groups"), groups > 0, channels % groups == 0
  else { throw NodeProblem("its groups do not divide the channels") }
  for i in 1...2 {
    guard let values = node.constantFloats(i), values.count == groups else {
      throw NodeProblem(
        "input \(i) must be a constant with one element for each group",
        instead: "export it for opset 21 or newer")
    }
    try node.owner.importer.expansion.take(channels)
    let each = values.flatMap { [Float](repeating: $0, count: channels / groups) }
    node.setInput(i, Value(node.inputs[i]!.name, [channels], floats: each))
  }
}
