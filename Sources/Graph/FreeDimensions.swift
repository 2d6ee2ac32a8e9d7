import ModelFormat
import Operators

/// Shapes with dimensions that stay free, found by inferring everything under two different numbers
/// for each free dimension: what differs between the two is free, what equals a dimension's number
/// in both bears its name.
///
/// A number may be too small for a network (an image smaller than its kernels), or no multiple of
/// what it halves and joins again, so several pairs are followed, and what all that get through agree
/// on counts.
public final class FreeDimensions {
  private struct Pair {
    let scale: Int
    let low: ShapeInference
    let high: ShapeInference
    var hasFailed = false
  }

  /// Tensors that have nothing to do with a free dimension.
  private let fixed = ShapeInference()
  private var pairs: [Pair]
  /// A pair that got as far as the node that was refused last.
  private var refused: Int?
  /// The free dimensions seen; one without a name is itself only.
  private var symbols: [String] = []

  // For the k-th symbol, times the pair's scale. All differ, so a number tells its symbol.
  private static let lowFactors = [2, 5, 11, 17, 23, 31, 41, 47, 59, 67, 73, 83]
  private static let highFactors = [3, 7, 13, 19, 29, 37, 43, 53, 61, 71, 79, 89]

  public init() {
    let fixed = fixed
    pairs = [1, 16, 64, 256, 33].map {
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
    var failures: [(pair: Int, reason: any Error)] = []
    let left = pairs.indices.filter { !pairs[$0].hasFailed }
    for i in left {
      do { try body(pairs[i]) } catch { failures.append((i, error)) }
    }
    if failures.count == left.count, let first = failures.first {
      refused = left.last
      throw first.reason
    }
    for failure in failures { pairs[failure.pair].hasFailed = true }
  }

  /// Infers a node's outputs and sets their types and shapes.
  public func infer(_ node: Node) throws {
    if let control = node.definition?.control { return try inferControl(node, control) }
    refused = nil
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
    let passed = pairs.filter { !$0.hasFailed }
    guard !passed.isEmpty else { return }
    for case let output? in node.outputs {
      let infos = passed.compactMap { pair -> (low: TensorInfo, high: TensorInfo)? in
        guard let low = pair.low.info(output), let high = pair.high.info(output) else { return nil }
        return (low, high)
      }
      guard let first = infos.first?.low, infos.count == passed.count,
        infos.allSatisfy({
          $0.low.shape.rank == first.shape.rank && $0.high.shape.rank == first.shape.rank
        })
      else { throw GraphError("node \(node.displayName): the rank of an output depends on sizes") }
      output.dataType = first.dataType
      output.isBound = first.isBound
      output.shape = (0..<first.shape.rank).map { axis in
        dimension(
          infos.map { ($0.low.shape[axis], $0.high.shape[axis]) }, scales: passed.map(\.scale))
      }
    }
  }

  private func dimension(_ found: [(low: Int, high: Int)], scales: [Int]) -> Dimension {
    let first = found[0].low
    if found.allSatisfy({ $0.low == first && $0.high == first }) { return .fixed(first) }
    for k in symbols.indices
    where zip(found, scales).allSatisfy({ found, scale in
      found.low == scale * FreeDimensions.lowFactors[k]
        && found.high == scale * FreeDimensions.highFactors[k]
    }) {
      return .free(symbols[k])
    }
    return .free("")
  }

  /// What a scalar integer is, where shapes alone decide it.
  func scalar(_ value: Value) -> Dimension? {
    let passed = pairs.filter { !$0.hasFailed }
    func number(_ info: TensorInfo?) -> Int? {
      guard let info, info.dataType == .int64, info.shape.count == 1 else { return nil }
      return info.constant.map { Int($0.loadUnaligned(as: Int64.self)) }
    }
    let found = passed.compactMap { pair -> (low: Int, high: Int)? in
      guard let low = number(pair.low.info(value)), let high = number(pair.high.info(value)) else {
        return nil
      }
      return (low, high)
    }
    guard !found.isEmpty, found.count == passed.count else { return nil }
    return dimension(found, scales: passed.map(\.scale))
  }

  // MARK: Dimensions under two names

  /// Two names of free dimensions that must mean the same for the node, which was just refused, to
  /// be possible: exporters name the steps of keys and of values apart.
  public func namesToUnify(for node: Node) -> (kept: String, other: String)? {
    guard let refused, node.definition?.control == nil else { return nil }
    let (scale, inference) = (pairs[refused].scale, pairs[refused].low)
    let inputs = node.inputs.compactMap { $0 }
    func numbers(_ k: Int) -> Int { scale * FreeDimensions.lowFactors[k] }
    let present = symbols.indices.filter { k in
      !symbols[k].isEmpty
        && inputs.contains { inference.shape($0)?.contains(numbers(k)) ?? false }
    }
    for (n, kept) in present.enumerated() {
      for other in present[(n + 1)...]
      where inference.accepts(node, with: numbers(kept), inPlaceOf: numbers(other)) {
        return (symbols[kept], symbols[other])
      }
    }
    return nil
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
        node.passBounds()
        for case .function(let body) in node.attributes.values { try infer(body) }
        try free.infer(node)
      }
    }
    for function in functions { try infer(function) }
  }
}
