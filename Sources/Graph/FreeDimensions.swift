import ModelFormat

/// Shapes with dimensions that stay free, found by inferring everything under two different numbers
/// for each free dimension: what differs between the two is free, what equals a dimension's number
/// in both bears its name.
///
/// A number may be too small for a network (an image smaller than its kernels), so several pairs are
/// followed, and the first that gets through counts.
public final class FreeDimensions {
  private struct Pair {
    let scale: Int
    let low = ShapeInference()
    let high = ShapeInference()
    var hasFailed = false
  }

  private var pairs: [Pair] = [1, 16, 64, 256].map { Pair(scale: $0) }
  /// The free dimensions seen; one without a name is itself only.
  private var symbols: [String] = []

  // For the k-th symbol, times the pair's scale. All differ, so a number tells its symbol.
  private static let lowFactors = [2, 5, 11, 17, 23, 31, 41, 47, 59, 67, 73, 83]
  private static let highFactors = [3, 7, 13, 19, 29, 37, 43, 53, 61, 71, 79, 89]

  public init() {}

  /// Binds a value by its shape: a function's input, or what a body writes.
  public func bind(_ input: Value) throws {
    guard let shape = input.shape else {
      throw GraphError("tensor \(input.name): its shape is not stated")
    }
    let numbers = try shape.map { dimension -> Int? in
      guard case .free(let name) = dimension else { return nil }
      if !name.isEmpty, let known = symbols.firstIndex(of: name) { return known }
      guard symbols.count < FreeDimensions.lowFactors.count else {
        throw GraphError("the inputs have more than 12 different free dimensions")
      }
      symbols.append(name)
      return symbols.count - 1
    }
    for pair in pairs {
      func bound(_ factors: [Int]) -> [Int] {
        zip(shape, numbers).map { $0.fixed ?? pair.scale * factors[$1!] }
      }
      pair.low.bind(
        input, input.dataType, bound(FreeDimensions.lowFactors), isBound: input.isBound)
      pair.high.bind(
        input, input.dataType, bound(FreeDimensions.highFactors), isBound: input.isBound)
    }
  }

  /// Infers a node's outputs and sets their types and shapes.
  public func infer(_ node: Node) throws {
    if let control = node.definition?.control { return try inferControl(node, control) }
    var failures: [(pair: Int, reason: any Error)] = []
    for i in pairs.indices where !pairs[i].hasFailed {
      do {
        try pairs[i].low.infer(node)
        try pairs[i].high.infer(node)
      } catch {
        failures.append((i, error))
        // Without a free dimension all pairs say the same.
        if symbols.isEmpty { break }
      }
    }
    // Where no pair gets through it is this node's fault: the others go on.
    if failures.count == pairs.count(where: { !$0.hasFailed }) || symbols.isEmpty,
      let first = failures.first
    {
      throw first.reason
    }
    for (i, _) in failures { pairs[i].hasFailed = true }
    guard let best = pairs.first(where: { !$0.hasFailed }) else { return }
    for case let output? in node.outputs {
      guard let low = best.low.info(output), let high = best.high.info(output),
        low.shape.rank == high.shape.rank
      else { throw GraphError("node \(node.displayName): the rank of an output depends on sizes") }
      output.dataType = low.dataType
      output.isBound = low.isBound
      output.shape = (0..<low.shape.rank).map { axis in
        dimension(low.shape[axis], high.shape[axis], scale: best.scale)
      }
    }
  }

  private func dimension(_ low: Int, _ high: Int, scale: Int) -> Dimension {
    if low == high { return .fixed(low) }
    for k in symbols.indices
    where low == scale * FreeDimensions.lowFactors[k] && high == scale * FreeDimensions.highFactors[k]
    {
      return .free(symbols[k])
    }
    return .free("")
  }
}

extension Graph {
  /// Sets the type and shape of everything that nodes write, from the inputs on.
  ///
  /// - Throws: GraphError where a shape rule refuses, with its reason.
  public func inferShapes() throws {
    var done: Set<ObjectIdentifier> = []
    func infer(_ function: Function) throws {
      guard done.insert(ObjectIdentifier(function)).inserted else { return }
      let free = FreeDimensions()
      for input in function.inputs { try free.bind(input) }
      for node in function.nodes {
        for case .function(let body) in node.attributes.values { try infer(body) }
        try free.infer(node)
      }
    }
    for function in functions { try infer(function) }
  }
}
