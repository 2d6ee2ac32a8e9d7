import Graph
import ModelFormat

/// The weights and states of a graph's function, and the programs that compute with them.
public final class Network<Scalar: TrainingScalar> {
  /// A weight of the graph.
  public struct Parameter {
    public let value: Value
    public let tensor: Tensor<Scalar>
    /// Where it stands in `parameters` and `gradients`; nil: training leaves it alone.
    public let range: Range<Int>?
  }

  public let graph: Graph
  /// The one that runs where none is named.
  public let function: Function
  /// All that share the weights and states.
  public let functions: [Function]
  public let weights: [Parameter]
  /// The numbers of all trainable weights, one behind the other.
  public let parameters: UnsafeMutableBufferPointer<Scalar>
  /// The derivatives of the loss by `parameters`.
  public let gradients: UnsafeMutableBufferPointer<Scalar>
  /// In the order of the function's state updates first.
  public let states: [(value: Value, tensor: Tensor<Scalar>)]
  public let random = RandomBox(seed: 0)
  let rules: [String: GradientRule<Scalar>]
  let tensors: [ObjectIdentifier: Tensor<Scalar>]
  let differentiatesBoundary: Bool
  /// What programs round as an int8 network will; nil: nothing.
  public let fakeQuantization: FakeQuantization?

  /// - Parameters:
  ///   - function: the only one that is trained; nil: all of the graph's.
  ///   - differentiatesBoundary: whether inputs and states get gradients too.
  ///   - fakeQuantization: of this graph.
  public init(
    _ graph: Graph, function: Function? = nil, differentiatesBoundary: Bool = false,
    fakeQuantization: FakeQuantization? = nil,
    rules: [String: GradientRule<Scalar>] = gradientRules()
  ) throws {
    functions = function.map { [$0] } ?? graph.functions
    guard let function = function ?? graph.mainFunction else {
      throw GraphError("the graph has no function")
    }
    self.graph = graph
    self.function = function
    self.differentiatesBoundary = differentiatesBoundary
    self.fakeQuantization = fakeQuantization
    self.rules = rules
    let used = Graph(functions: functions).values
    let trainable = used.filter {
      $0.kind == .weight && $0.isTrainable && $0.dataType == .float32 && $0.quantization == nil
    }
    let total = trainable.reduce(0) { $0 + ($1.count ?? 0) }
    parameters = .allocate(capacity: max(total, 1))
    gradients = .allocate(capacity: max(total, 1))
    parameters.initialize(repeating: 0)
    gradients.initialize(repeating: 0)
    var tensors: [ObjectIdentifier: Tensor<Scalar>] = [:]
    var weights: [Parameter] = []
    var states: [(value: Value, tensor: Tensor<Scalar>)] = []
    var next = 0
    for value in used where value.kind != .activation {
      guard let shape = value.fixedShape else {
        throw GraphError("tensor \(value.name): its shape is not known")
      }
      let isReal = value.logicalType == .float32
      guard !isReal || value.dataType == .float32 else {
        throw GraphError("weight \(value.name): only float32 weights can be trained")
      }
      let tensor: Tensor<Scalar>
      if trainable.contains(where: { $0 === value }) {
        let n = shape.reduce(1, *)
        tensor = Tensor(
          shape, data: parameters.baseAddress! + next, gradient: gradients.baseAddress! + next)
        weights.append(Parameter(value: value, tensor: tensor, range: next..<(next + n)))
        next += n
      } else {
        tensor = Tensor(
          shape, isReal: isReal,
          needsGradient: isReal && value.kind == .state && differentiatesBoundary)
        if value.kind == .weight {
          weights.append(Parameter(value: value, tensor: tensor, range: nil))
        }
      }
      if value.kind == .state { states.append((value, tensor)) }
      tensors[ObjectIdentifier(value)] = tensor
    }
    self.tensors = tensors
    self.weights = weights
    self.states = states
    load()
    resetStates()
  }

  deinit {
    parameters.deallocate()
    gradients.deallocate()
  }

  // MARK: Weights

  /// Takes the weights' numbers from the graph.
  public func load() {
    for weight in weights { Network.read(weight.value, into: weight.tensor) }
  }

  private static func read(_ value: Value, into tensor: Tensor<Scalar>) {
    if tensor.isReal {
      for (i, x) in value.floats.enumerated() { tensor.data[i] = Scalar(x) }
    } else if value.dataType == .int32 || value.dataType == .int64 {
      for (i, x) in value.integers.enumerated() { tensor.integers[i] = Int64(x) }
    } else {
      for (i, x) in value.bytes.enumerated() {
        tensor.integers[i] = value.dataType == .int8 ? Int64(Int8(bitPattern: x)) : Int64(x)
      }
    }
  }

  /// Puts the weights' numbers into the graph.
  public func store() {
    for weight in weights where weight.tensor.isReal {
      weight.value.floats = (0..<weight.tensor.count).map { Float(weight.tensor.data[$0]) }
    }
  }

  public func zeroGradients() { gradients.update(repeating: 0) }

  // MARK: States

  /// Every state back to its initial value.
  public func resetStates() {
    for (value, tensor) in states {
      tensor.data.update(repeating: 0, count: tensor.isReal ? tensor.count : 0)
      if !value.bytes.isEmpty { Network.read(value, into: tensor) }
    }
  }

  // MARK: Programs

  /// Prepares a function (by default the main one) for inputs of the given shapes, in their order.
  ///
  /// - Parameter ownsStates: The program reads copies of the network's states, which have gradients:
  ///   see `Rollout`.
  public func program(
    _ shapes: [[Int]], of function: Function? = nil, isTraining: Bool, ownsStates: Bool = false
  ) throws -> Program<Scalar> {
    try Program(
      self, function ?? self.function, shapes, isTraining: isTraining, ownsStates: ownsStates)
  }
}
