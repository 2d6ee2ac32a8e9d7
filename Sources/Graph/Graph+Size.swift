extension Graph {
  /// Elements of the weights that training changes.
  public var parameterCount: Int {
    weights.filter(\.isTrainable).reduce(0) { $0 + ($1.count ?? 0) }
  }

  /// Multiply-accumulates of one run of a function whose free dimensions are 1, as `model-convert
  /// inspect` counts them.
  public func multiplyAccumulates(_ function: Function) throws -> Int {
    let inference = ShapeInference()
    for input in function.inputs {
      try inference.bind(input, input.dataType, (input.shape ?? []).map { $0.fixed ?? 1 })
    }
    for node in function.nodes { try inference.infer(node) }
    return inference.work
  }
}
