import Graph
import ModelFormat

/// A network prepared for inputs of given shapes: every tensor has its memory, every node its rule.
///
/// A step of training is: write the inputs, `forward`, `zeroGradients`, write the outputs' gradients,
/// `backward`, and where states go on, `carryStates`.
public final class Program<Scalar: TrainingScalar> {
  public let network: Network<Scalar>
  public let inputs: [Tensor<Scalar>]
  public let outputs: [Tensor<Scalar>]
  private let activations: [Tensor<Scalar>]
  private let calls: [NodeCall<Scalar>]
  private let passes: [Passes]
  /// Keeps the memory of what is rounded.
  private let rounding: RoundedTensors<Scalar>?
  /// The states that the function reads, and what those that it changes become.
  let states: [(value: Value, tensor: Tensor<Scalar>)]
  let updates: [(value: Value, state: Tensor<Scalar>, next: Tensor<Scalar>)]

  init(
    _ network: Network<Scalar>, _ function: Function, _ shapes: [[Int]], isTraining: Bool,
    ownsStates: Bool
  ) throws {
    self.network = network
    guard shapes.count == function.inputs.count else {
      throw GraphError("\(shapes.count) input shapes; the function has \(function.inputs.count)")
    }
    let inference = ShapeInference()
    var tensors = network.tensors
    var states = network.states
    if ownsStates {
      let read = Set(Graph(functions: [function]).states.map { ObjectIdentifier($0) })
      states = states.filter { read.contains(ObjectIdentifier($0.value)) }.map { value, tensor in
        (
          value,
          Tensor(tensor.shape, isReal: tensor.isReal, needsGradient: tensor.isReal && isTraining)
        )
      }
      for (value, tensor) in states { tensors[ObjectIdentifier(value)] = tensor }
    }
    self.states = states
    let rounding = network.fakeQuantization.map {
      RoundedTensors<Scalar>($0, isTraining: isTraining, random: network.random)
    }
    var inputs: [Tensor<Scalar>] = []
    for (value, shape) in zip(function.inputs, shapes) {
      let isReal = value.dataType == .float32
      try inference.bind(value, value.dataType, shape)
      inputs.append(
        Tensor(
          shape, isReal: isReal, needsGradient: isReal && network.differentiatesBoundary))
      tensors[ObjectIdentifier(value)] = inputs.last
    }
    var activations: [Tensor<Scalar>] = []
    var calls: [NodeCall<Scalar>] = []
    var passes: [Passes] = []
    for node in function.nodes {
      try inference.infer(node)
      let nodeInputs: [Tensor<Scalar>?]
      if let rounding {
        nodeInputs = try rounding.inputs(of: node) { tensors[ObjectIdentifier($0)] }
        passes += rounding.takePasses()
      } else {
        nodeInputs = node.inputs.map { $0.flatMap { tensors[ObjectIdentifier($0)] } }
      }
      let needsGradient = nodeInputs.contains { $0?.gradient != nil }
      let nodeOutputs = node.outputs.map { output -> Tensor<Scalar>? in
        guard let output, let info = inference.info(output) else { return nil }
        let tensor = Tensor<Scalar>(
          inference.shape(output)!, isReal: info.dataType == .float32, needsGradient: needsGradient)
        tensors[ObjectIdentifier(output)] = tensor
        activations.append(tensor)
        return tensor
      }
      guard let rule = network.rules[node.op] else {
        throw GraphError("node \(node.displayName): training has no rule for this operator")
      }
      let call = NodeCall(
        node, inputs: nodeInputs, outputs: nodeOutputs, isTraining: isTraining,
        random: network.random,
        roundsRows: network.fakeQuantization?.scheme.roundsRows(node) ?? false)
      calls.append(call)
      passes.append(try rule(call))
      if let rounding, let value = node.outputs[0], let y = nodeOutputs[0] {
        rounding.moved(node, value, y)
      }
    }
    func result(_ value: Value) -> Tensor<Scalar>? {
      tensors[ObjectIdentifier(value)].map { rounding?.result(value, $0) ?? $0 }
    }
    outputs = try function.outputs.map {
      guard let tensor = result($0) else {
        throw GraphError("output \($0.name): no node writes it")
      }
      return tensor
    }
    updates = try function.stateUpdates.map {
      guard let state = tensors[ObjectIdentifier($0.state)], let next = result($0.next),
        next.count == state.count
      else { throw GraphError("state \($0.state.name): its next value is not of its shape") }
      return ($0.state, state, next)
    }
    self.inputs = inputs
    self.activations = activations + (rounding?.activations ?? [])
    self.calls = calls
    self.passes = passes + (rounding?.takePasses() ?? [])
    self.rounding = rounding
  }

  public func forward() {
    for pass in passes { pass.forward() }
  }

  /// The gradients of what the program itself holds; the network's are another matter.
  public func zeroGradients() {
    for tensor in activations { tensor.zeroGradient() }
    for tensor in inputs { tensor.zeroGradient() }
    for state in states { state.tensor.zeroGradient() }
  }

  public func backward() {
    for pass in passes.reversed() { pass.backward() }
  }

  /// The states take their next values.
  public func carryStates() {
    for (_, state, next) in updates { state.data.update(from: next.data, count: state.count) }
  }
}
