import ModelFormat

/// Builds a function of a graph layer by layer, as a paper lists them:
///
///     let b = GraphBuilder(seed: 1)
///     let x = b.input("image", .float32, [.free("N"), 1, 32, 32])
///     let c1 = b.conv(x, outChannels: 6, kernel: [5, 5], activation: .tanh, name: "C1")
///     let s2 = b.averagePool(c1, kernel: [2, 2], name: "S2")
///     b.output(b.dense(b.flatten(s2), 10, name: "OUTPUT"), "logits")
///     let graph = try b.build()
///
/// Shapes are inferred as the layers are added. The first mistake is kept and thrown by `build`; what
/// is added after it is of no account.
public final class GraphBuilder {
  public private(set) var failure: (any Error)?
  public let function: Function
  private let free = FreeDimensions()
  private let weights: WeightDraws
  /// How many of another function's weights have been used again; nil: this one makes its own.
  private var repeated: Int?
  private var metadata: [(key: String, value: String)] = []
  /// Where only a network's shape is of interest, its weights need not be drawn: they are left without
  /// numbers, and the graph can be neither encoded nor run.
  @TaskLocal public static var drawsWeights = true

  /// - Parameter seed: of the initial weights. Each weight has a generator of its own, seeded with
  ///   this and the weight's number.
  public init(seed: UInt64 = 1, function name: String = "main") {
    weights = WeightDraws(seed: seed)
    function = Function(name)
  }

  /// A builder of another function of the same graph. What is a weight or a state of one may be used
  /// in the other; they are built together.
  public init(beside other: GraphBuilder, function name: String) {
    weights = other.weights
    function = Function(name)
  }

  /// A builder of another function of the same graph that begins with the same layers: its weights are
  /// those of `other`, in the order in which they were made.
  public init(repeating other: GraphBuilder, function name: String) {
    weights = other.weights
    function = Function(name)
    repeated = 0
  }

  /// The graph of several functions with the first's metadata, or the first mistake.
  public static func build(_ builders: [GraphBuilder]) throws -> Graph {
    for builder in builders { if let failure = builder.failure { throw failure } }
    return Graph(functions: builders.map(\.function), metadata: builders.first?.metadata ?? [])
  }

  /// The graph, or the first mistake.
  public func build() throws -> Graph {
    if let failure { throw failure }
    return Graph(functions: [function], metadata: metadata)
  }

  public func setMetadata(_ key: String, _ value: String) { metadata.append((key, value)) }

  /// Notes what is wrong with a layer.
  public func fail(_ message: String) {
    if failure == nil { failure = GraphError(message) }
  }

  // MARK: Inputs, outputs, weights, states

  public func input(_ name: String, _ dataType: DataType = .float32, _ shape: [Dimension]) -> Value {
    let value = Value(name, dataType, shape)
    function.inputs.append(value)
    attempt { try free.bind(value) }
    return value
  }

  /// Makes a value one of the function's outputs, under this name.
  public func output(_ value: Value, _ name: String) {
    var result = value
    // A name once given to an input, a state or another output stays.
    if value.kind != .activation || function.inputs.contains(where: { $0 === value })
      || function.outputs.contains(where: { $0 === value })
    {
      result = node("Identity", [value])
    }
    result.name = name
    function.outputs.append(result)
  }

  /// A weight that training changes, drawn from `initializer`.
  public func weight(
    _ name: String, _ shape: [Int], _ initializer: Initializer, fanIn: Int = 1, fanOut: Int = 1
  ) -> Value {
    if let number = repeated, number < weights.made.count {
      repeated = number + 1
      let value = weights.made[number]
      if value.name != name || value.fixedShape != shape {
        fail("weight \(name): the other function has \(value.name) in its place")
      }
      return value
    }
    var random = weights.next()
    let n = shape.reduce(1, *)
    guard n >= 0, n <= 1 << 31 else {
      fail("weight \(name): \(shape) is too large")
      return Value(name, [0], floats: [])
    }
    let value: Value
    if GraphBuilder.drawsWeights {
      value = Value(
        name, shape, floats: initializer.fill(shape, fanIn: fanIn, fanOut: fanOut, random: &random))
    } else {
      value = Value(name, .float32, shape.map { .fixed($0) }, kind: .weight)
    }
    value.isTrainable = true
    weights.made.append(value)
    return value
  }

  /// A float32 constant that training leaves alone.
  public func constant(_ name: String = "", _ shape: [Int], _ floats: [Float]) -> Value {
    Value(name, shape, floats: floats)
  }

  /// A float32 constant [1].
  public func constant(_ number: Float) -> Value { Value("", [1], floats: [number]) }

  /// An int64 constant: shapes, axes.
  public func constant(_ name: String = "", integers: [Int]) -> Value {
    Value(name, [integers.count], integers: integers)
  }

  /// A tensor that the session keeps from run to run; `update` says what it becomes.
  public func state(_ name: String, _ shape: [Int], initial: [Float] = []) -> Value {
    Value(
      name, .float32, shape.map { .fixed($0) }, kind: .state,
      bytes: initial.withUnsafeBytes { [UInt8]($0) })
  }

  public func update(_ state: Value, to next: Value) {
    function.stateUpdates.append((state, next))
  }

  // MARK: Nodes

  /// Any operator of the registry with one output.
  @discardableResult
  public func node(
    _ op: String, name: String = "", _ inputs: [Value?], _ attributes: [String: Attribute] = [:]
  ) -> Value {
    nodes(op, name: name, inputs, attributes, outputs: 1)[0]
  }

  /// Any operator of the registry.
  public func nodes(
    _ op: String, name: String = "", _ inputs: [Value?], _ attributes: [String: Attribute] = [:],
    outputs count: Int
  ) -> [Value] {
    let outputs = (0..<count).map { i in
      Value(name.isEmpty ? "" : count == 1 ? name : "\(name):\(i)")
    }
    let node = Node(op, name: name, inputs: inputs, outputs: outputs, attributes: attributes)
    function.nodes.append(node)
    attempt { try free.infer(node) }
    return outputs
  }

  private func attempt(_ work: () throws -> Void) {
    if failure != nil { return }
    do { try work() } catch { failure = error }
  }

  /// A dimension that a layer's weights depend on; 1 after the mistake is noted.
  func known(_ value: Value, _ axis: Int, _ layer: String) -> Int {
    if failure != nil { return 1 }
    guard let shape = value.shape, shape.indices.contains(axis < 0 ? shape.count + axis : axis),
      let d = shape[axis < 0 ? shape.count + axis : axis].fixed
    else {
      fail("\(layer): axis \(axis) of its input \((value.shape ?? []).text) must be known")
      return 1
    }
    return d
  }
}

/// Gives each weight a generator of its own.
private final class WeightDraws {
  private let seed: UInt64
  private var count: UInt64 = 0
  var made: [Value] = []

  init(seed: UInt64) { self.seed = seed }

  func next() -> RandomSource {
    count += 1
    return RandomSource(seed: seed, count)
  }
}

/// What follows a layer's sums.
public enum Activation: String, CaseIterable {
  case none, relu, tanh, sigmoid

  /// The registry's operator.
  public var op: String? {
    switch self {
    case .none: nil
    case .relu: "Relu"
    case .tanh: "Tanh"
    case .sigmoid: "Sigmoid"
    }
  }

  /// The initialiser that keeps the variance of signals through such layers.
  public var initializer: Initializer { self == .relu ? .he : .glorot }
}
