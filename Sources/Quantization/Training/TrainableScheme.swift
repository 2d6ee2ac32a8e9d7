import Graph
import ModelFormat

/// A float network as `quantize` has it before it rounds, and what will be rounded in it: for
/// training that shall know of that. Its weights may go on changing; the graph's nodes may not.
public final class TrainableScheme {
  public let graph: Graph
  public let options: QuantizationOptions
  /// Tensors that share a scale and a zero point, constants among them.
  public let groups: [[Value]]
  private let function: Int
  private let scheme: QuantizationScheme
  private let choice: QuantizationScheme.Choice
  /// The number that the scheme has for each of `groups`.
  private let schemeGroups: [Int]
  private var groupOf: [ObjectIdentifier: Int] = [:]
  private var weights: [ObjectIdentifier: [Int: RoundedWeight]] = [:]
  private var integerNodes: Set<ObjectIdentifier> = []
  private var dynamicNodes: Set<ObjectIdentifier> = []
  private var movers: Set<ObjectIdentifier> = []
  private var writtenByIntegers: Set<ObjectIdentifier> = []

  /// Does the passes that `quantize` does first.
  ///
  /// - Parameter graph: The float network; it is changed. Weights that training may change stay so.
  public init(_ graph: Graph, _ options: QuantizationOptions) throws {
    guard let name = graph.mainFunction?.name else {
      throw QuantizationError("the network has no function")
    }
    try Quantizer.check(graph)
    try graph.applyPassesBeforeRounding(equalizes: options.equalizes)
    var options = options
    // Both are for ranges that were not trained with.
    options.equalizes = false
    options.correctsBias = false
    options.roundsAdaptively = false
    self.options = options
    self.graph = graph
    function = graph.functions.firstIndex { $0.name == name } ?? 0
    let tensors = graph.values
    TrainableScheme.makeNamesUnique(tensors)
    scheme = try QuantizationScheme(FloatModel(graph, function: function))
    choice = scheme.choose(keepingFloat: [])
    var members: [Int: [Value]] = [:]
    for (t, value) in tensors.enumerated()
    where choice.groups.contains(scheme.groups[t]) && !scheme.fused.contains(t)
      && value.logicalType == .float32
    {
      members[scheme.groups[t], default: []].append(value)
    }
    schemeGroups = members.keys.sorted()
    groups = schemeGroups.map { members[$0]! }
    for (i, group) in groups.enumerated() {
      for value in group { groupOf[ObjectIdentifier(value)] = i }
    }
    for (i, node) in graph.functions[function].nodes.enumerated() { enter(node, i) }
  }

  /// A weight is found by its name where the network is built again.
  private static func makeNamesUnique(_ values: [Value]) {
    var names = Set(values.map(\.name))
    var seen: Set<String> = [""]
    for value in values where value.kind == .weight {
      if seen.insert(value.name).inserted { continue }
      let stem = value.name.isEmpty ? "weight" : value.name
      var n = 2
      while names.contains("\(stem).\(n)") { n += 1 }
      value.name = "\(stem).\(n)"
      names.insert(value.name)
      seen.insert(value.name)
    }
  }

  private func enter(_ node: Node, _ i: Int) {
    guard let rule = node.rule else { return }
    let id = ObjectIdentifier(node)
    if choice.isInteger[i] {
      integerNodes.insert(id)
      for case let output? in node.outputs { writtenByIntegers.insert(ObjectIdentifier(output)) }
      // What is moved has been rounded; what is put in at the edges has not.
      if rule.treatment == .moves, node.op != "Pad" { movers.insert(id) }
      guard rule.treatment == .layer, let weight = node.input(1), weight.kind == .weight,
        let shape = weight.fixedShape
      else { return }
      let axis = QuantizedWeight.axis(node, rule, weight, options)
      weights[id] = [1: RoundedWeight(shape: shape, axis: axis)]
    } else if choice.dynamic.contains(i) {
      dynamicNodes.insert(id)
      for k in [1, 2] {
        guard let shape = node.input(k)?.fixedShape, shape.count == 3 else { continue }
        // One scale for each column of each direction.
        weights[id, default: [:]][k] = RoundedWeight(
          shape: [shape[0] * shape[1], shape[2]], axis: 0)
      }
    } else if [.storesWeights, .moves].contains(rule.treatment) {
      for (k, place) in rule.weights {
        guard let weight = node.input(k), weight.kind == .weight, weight.hasRealFloats,
          let shape = weight.fixedShape
        else { continue }
        let axis = node.channelAxis(place, of: weight)
        guard weight.isWorthStoring(axis: axis) else { continue }
        weights[id, default: [:]][k] = RoundedWeight(shape: shape, axis: axis)
      }
    }
  }

  // MARK: What is rounded

  /// How a node's input is rounded as a weight; nil where it is not one.
  public func weight(_ node: Node, input: Int) -> RoundedWeight? {
    weights[ObjectIdentifier(node)]?[input]
  }

  /// Whether the node's bias, its input 2, becomes int32.
  public func roundsBias(_ node: Node) -> Bool {
    guard isInteger(node), let weight = weight(node, input: 1), let bias = node.input(2),
      bias.kind == .weight
    else { return false }
    return weight.axis == nil || bias.count == weight.channels
  }

  public func group(of value: Value) -> Int? { groupOf[ObjectIdentifier(value)] }

  /// Whether a node reads the integers of a tensor of a group, not the numbers that they were made
  /// of.
  public func readsIntegers(_ node: Node, _ value: Value) -> Bool {
    isInteger(node) || isWrittenAsIntegers(value)
  }

  public func isInteger(_ node: Node) -> Bool { integerNodes.contains(ObjectIdentifier(node)) }

  public func isWrittenAsIntegers(_ value: Value) -> Bool {
    writtenByIntegers.contains(ObjectIdentifier(value))
  }

  /// Whether the node is a recurrent layer that rounds what it multiplies, each row on its own.
  public func roundsRows(_ node: Node) -> Bool { dynamicNodes.contains(ObjectIdentifier(node)) }

  /// Whether what the node writes are numbers that it read, rounded already.
  public func moves(_ node: Node) -> Bool { movers.contains(ObjectIdentifier(node)) }

  /// How many layers are rounded in some way.
  public var roundedLayers: Int { weights.count }

  // MARK: The int8 network

  /// The int8 network of the graph with the weights that it has now.
  ///
  /// - Parameter ranges: Of each group; nil where it never held anything.
  public func quantized(
    ranges: [(lower: Float, upper: Float)?], floatBytes: Int
  ) throws -> (file: [UInt8], report: QuantizationReport) {
    precondition(ranges.count == groups.count)
    var known: [Int: LinearParameters] = [:]
    for (group, range) in zip(schemeGroups, ranges) {
      if let range { known[group] = LinearParameters(range, options.activations) }
    }
    let model = try FloatModel(graph, function: function)
    let quantizer = try Quantizer(
      trained: model, scheme, known, options, floatBytes: floatBytes)
    return try quantizer.quantize()
  }
}

/// How a weight is rounded: int8 from −127 to 127, a scale for each index of an axis or one for
/// all.
public struct RoundedWeight {
  /// What the axis counts in; of a recurrent layer's weight not its own shape.
  public let shape: [Int]
  public let axis: Int?

  /// Scales.
  public var channels: Int { axis.map { shape[$0] } ?? 1 }

  /// Below it a channel is as good as zero.
  public static let smallestScale = QuantizedWeight.smallestScale
}
