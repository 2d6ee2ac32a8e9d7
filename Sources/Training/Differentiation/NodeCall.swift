import Graph

/// One node of a network in training, with its tensors: what a gradient rule is given.
public final class NodeCall<Scalar: TrainingScalar> {
  /// For the attributes: `node.int("axis", default: 0)`.
  public let node: Node
  public let inputs: [Tensor<Scalar>?]
  /// nil: an optional output that nobody wants.
  public let outputs: [Tensor<Scalar>?]
  /// Whether dropout drops and batch normalisation uses the batch.
  public let isTraining: Bool
  /// For what a layer draws at random; set anew for each step of training.
  public let random: RandomBox
  /// Whether a recurrent layer rounds the rows that it multiplies, as DynamicQuantizeLSTM does.
  let roundsRows: Bool
  private var buffers: [Tensor<Scalar>] = []

  init(
    _ node: Node, inputs: [Tensor<Scalar>?], outputs: [Tensor<Scalar>?], isTraining: Bool,
    random: RandomBox, roundsRows: Bool = false
  ) {
    self.node = node
    self.inputs = inputs
    self.outputs = outputs
    self.isTraining = isTraining
    self.random = random
    self.roundsRows = roundsRows
  }

  /// An input that the operator's shape rule has made sure of.
  public func input(_ i: Int) -> Tensor<Scalar> { inputs[i]! }

  public func optionalInput(_ i: Int) -> Tensor<Scalar>? { i < inputs.count ? inputs[i] : nil }

  public func output(_ i: Int) -> Tensor<Scalar> { outputs[i]! }

  public func optionalOutput(_ i: Int) -> Tensor<Scalar>? { i < outputs.count ? outputs[i] : nil }

  /// Memory of the rule's own, zero at first, kept as long as the network is prepared.
  public func buffer(_ count: Int) -> UnsafeMutablePointer<Scalar> {
    buffers.append(Tensor([count]))
    return buffers[buffers.count - 1].data
  }

  public func integerBuffer(_ count: Int) -> UnsafeMutablePointer<Int64> {
    buffers.append(Tensor([count], isReal: false))
    return buffers[buffers.count - 1].integers
  }

  /// The error of a rule that cannot do what the node asks for.
  public func unsupported(_ what: String) -> GraphError {
    GraphError("node \(node.displayName): training does not support \(what)")
  }
}

/// A random generator that several layers draw from.
public final class RandomBox {
  public var source: RandomSource
  public init(seed: UInt64) { source = RandomSource(seed: seed) }
}

/// What a rule makes of a node: two pieces of work over fixed memory, run again and again.
public struct Passes {
  /// Computes the outputs' data from the inputs'.
  public let forward: () -> Void
  /// Adds to the inputs' gradients what the outputs' gradients mean for them:
  /// x.gradient += (∂y/∂x)ᵀ y.gradient. Runs after `forward` with the same data.
  public let backward: () -> Void

  public init(forward: @escaping () -> Void, backward: @escaping () -> Void) {
    self.forward = forward
    self.backward = backward
  }
}

/// How an operator is computed and differentiated: called once for each node and batch size, when
/// all shapes are known.
public typealias GradientRule<Scalar: TrainingScalar> = (NodeCall<Scalar>) throws -> Passes
