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
    let low: ShapeInference
    let high: ShapeInference
    var failure: (any Error)?
  }

  /// Tensors that have nothing to do with a free dimension.
  private let fixed = ShapeInference()
  private var pairs: [Pair]
  /// The free dimensions seen; one without a name is itself only.
  private var symbols: [String] = []

  // For the k-th symbol, times the pair's scale. All differ, so a number tells its symbol.
  private static let lowFactors = [2, 5, 11, 17, 23, 31, 41, 47, 59, 67, 73, 83]
  private static let highFactors = [3, 7, 13, 19, 29, 37, 43, 53, 61, 71, 79, 89]

  public init() {
    let fixed = fixed
    pairs = [1, 16, 64, 256].map {
      Pair(scale: $0, low: ShapeInference(over: fixed), high: ShapeInference(over: fixed))
    }
  }

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
    if let shape = input.fixedShape {
      return try fixed.bind(input, input.dataType, shape, isBound: input.isBound)
    }
    try tryPairs { pair in
      func bind(_ inference: ShapeInference, _ factors: [Int]) throws {
        let bound = zip(shape, numbers).map { $0.fixed ?? pair.scale * factors[$1 ?? 0] }
        try inference.bind(input, input.dataType, bound, isBound: input.isBound)
      }
      try bind(pair.low, FreeDimensions.lowFactors)
      try bind(pair.high, FreeDimensions.highFactors)
    }
  }

  /// Does something with every pair that has got through so far.
  ///
  /// - Throws: What the first of them came to grief on, if all did; then all stay in the race for
  ///   other nodes.
  private func tryPairs(_ body: (Pair) throws -> Void) throws {
    var failures: [(pair: Int, error: any Error)] = []
    let left = pairs.indices.filter { pairs[$0].failure == nil }
    for i in left {
      do { try body(pairs[i]) } catch { failures.append((i, error)) }
    }
    if failures.count == left.count, let first = failures.first { throw first.error }
    for (i, error) in failures { pairs[i].failure = error }
  }

  /// Infers a node's outputs and sets their types and shapes.
  public func infer(_ node: Node) throws {
    if let control = node.definition?.control { return try inferControl(node, control) }
    if node.inputs.allSatisfy({ $0.map { fixed.info($0) != nil } ?? true }) {
      try fixed.infer(node)
      for case let output? in node.outputs {
        guard let info = fixed.info(output) else { continue }
        output.dataType = info.dataType
        output.isBound = info.isBound
        output.shape = (0..<info.shape.rank).map { .fixed(info.shape[$0]) }
      }
      return
    }
    try tryPairs { pair in
      try pair.low.infer(node)
      try pair.high.infer(node)
    }
    guard let best = pairs.first(where: { $0.failure == nil }) else { return }
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
