extension Graph {
  /// Takes the numbers of the weights of the same names from another graph: one that was trained, of
  /// the same layers built for another batch.
  ///
  /// - Throws: GraphError where a float32 weight has no counterpart of its shape.
  public func copyWeights(from other: Graph) throws {
    var named: [String: Value] = [:]
    for weight in other.weights where !weight.name.isEmpty { named[weight.name] = weight }
    for weight in weights where weight.dataType == .float32 && !weight.name.isEmpty {
      guard let source = named[weight.name], source.shape == weight.shape else {
        throw GraphError("weight \(weight.name): the other graph has none of its shape")
      }
      weight.bytes = source.bytes
    }
  }
}
