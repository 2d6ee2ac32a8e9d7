import Graph
import ModelFormat

/// M. Nagel et al., "Data-free quantization through weight equalization and bias correction", ICCV
/// 2019, section 4.2: rounded weights shift the mean of each output channel by E[Δw · x]. The mean
/// is linear in x, so it is the layer with the weights' errors, run on the mean input.
enum BiasCorrection {
  /// What must be added to the bias of each output channel; nil where it cannot be told.
  ///
  /// - Parameter errors: w − (the weights as quantised).
  static func shifts(_ node: Node, errors: [Float], mean: MeanTensor) throws -> [Float]? {
    guard let x = mean.elements, let weight = node.input(1), let shape = weight.fixedShape else {
      return nil
    }
    let sums = try output(node, Value("errors", shape, floats: errors), x, mean.shape)
    let axis = node.op == "Conv" ? 1 : sums.shape.count - 1
    let channels = sums.shape[axis]
    let inner = sums.shape.dropFirst(axis + 1).reduce(1, *)
    var result = [Double](repeating: 0, count: channels)
    for (i, value) in sums.elements.enumerated() { result[i / inner % channels] += Double(value) }
    let count = sums.elements.count / channels
    return result.map { Float($0 / Double(max(count, 1))) }
  }

  private static func output(
    _ node: Node, _ weight: Value, _ x: [Float], _ item: [Int]
  ) throws -> (shape: [Int], elements: [Float]) {
    let input = Value("x", .float32, ([1] + item).map { .fixed($0) })
    let y = Value("y")
    let layer = Node(
      node.op, inputs: [input, weight], outputs: [y],
      attributes: node.attributes.filter { !$0.key.hasPrefix("activation_") && $0.key != "beta" })
    let graph = Graph(functions: [Function("main", inputs: [input], outputs: [y], nodes: [layer])])
    let runner = try GraphRunner(
      graph.encode(), function: 0, shapes: [("x", [1] + item)], threads: 1)
    x.withUnsafeBytes {
      runner.session.data(input: 0).copyMemory(from: $0.baseAddress!, byteCount: $0.count)
    }
    try runner.run()
    return runner.output(0)
  }
}
