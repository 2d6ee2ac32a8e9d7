import Graph
import Quantization

/// What a network in training rounds as its int8 form will.
public final class FakeQuantization {
  public let scheme: TrainableScheme
  public let ranges: ActivationRanges
  /// The Dropout that stands behind a tensor in training: the network that is run has none.
  let dropouts: [ObjectIdentifier: Node]

  /// Makes the graph the one that is deployed, where batch normalisation is folded and activations
  /// are fused: what training rounds is what the int8 network rounds.
  ///
  /// - Parameters:
  ///   - graph: It is changed; its weights are those that training has reached.
  ///   - loss: Whose softmax or sigmoid will stand behind the graph's end; nil: none will.
  public init(_ graph: Graph, _ options: QuantizationTraining, loss: Loss? = nil) throws {
    let made = try QuantizationAwareGraph(graph, loss: loss, options, forTraining: true)
    scheme = made.scheme
    ranges = ActivationRanges(
      groups: scheme.groups.count, options.activations, options.observer,
      momentum: options.momentum)
    var known: [ObjectIdentifier: Node] = [:]
    for (value, node) in made.dropouts { known[ObjectIdentifier(value)] = node }
    dropouts = known
  }
}

/// The rounded tensors of a program, each made where the first node reads it.
final class RoundedTensors<Scalar: TrainingScalar> {
  private let rounding: FakeQuantization
  private let isTraining: Bool
  private let random: RandomBox
  private var rounded: [ObjectIdentifier: Tensor<Scalar>] = [:]
  private var dropped: [ObjectIdentifier: Tensor<Scalar>] = [:]
  /// What is computed, in this order, before the node that asked for it.
  private(set) var passes: [Passes] = []
  /// Those with a gradient of their own.
  private(set) var activations: [Tensor<Scalar>] = []
  /// Keeps memory and identities.
  private var kept: [AnyObject] = []

  init(_ rounding: FakeQuantization, isTraining: Bool, random: RandomBox) {
    self.rounding = rounding
    self.isTraining = isTraining
    self.random = random
  }

  func takePasses() -> [Passes] {
    defer { passes = [] }
    return passes
  }

  /// What the node reads.
  func inputs(
    of node: Node, _ tensor: (Value) -> Tensor<Scalar>?
  ) throws -> [Tensor<Scalar>?] {
    var scales: Tensor<Scalar>?
    return try node.inputs.enumerated().map { k, value in
      guard let value, let raw = tensor(value) else { return nil }
      if let how = rounding.scheme.weight(node, input: k) {
        let made = weight(raw, how)
        if k == 1 { scales = made.scales }
        return made.rounded
      }
      if k == 2, let scales, rounding.scheme.roundsBias(node), let x = node.input(0),
        let group = rounding.scheme.group(of: x)
      {
        return bias(raw, scales, group)
      }
      let read = rounding.scheme.readsIntegers(node, value) ? activation(value, raw) : raw
      return try drop(value, read)
    }
  }

  /// What stands for a result of the network.
  func result(_ value: Value, _ raw: Tensor<Scalar>) -> Tensor<Scalar> {
    rounding.scheme.isWrittenAsIntegers(value) ? activation(value, raw) : raw
  }

  /// What the node wrote needs no rounding: it is what it read.
  func moved(_ node: Node, _ value: Value, _ raw: Tensor<Scalar>) {
    if rounding.scheme.moves(node) { rounded[ObjectIdentifier(value)] = raw }
  }

  private func weight(
    _ raw: Tensor<Scalar>, _ how: RoundedWeight
  ) -> (rounded: Tensor<Scalar>, scales: Tensor<Scalar>) {
    let scales = Tensor<Scalar>([how.channels])
    kept.append(scales)
    let (x, y, s) = (raw.data, memory(raw.count), scales.data)
    passes.append(Passes(forward: { FakeQuantize.weights(how, x, y, scales: s) }, backward: {}))
    return (passingOn(raw, y), scales)
  }

  /// In steps of the layer's sums: the input's scale times the weight's.
  private func bias(
    _ raw: Tensor<Scalar>, _ scales: Tensor<Scalar>, _ group: Int
  ) -> Tensor<Scalar> {
    let ranges = rounding.ranges
    let (n, each) = (raw.count, scales.count == 1 ? 0 : 1)
    let (x, y, s) = (raw.data, memory(n), scales.data)
    passes.append(
      Passes(
        forward: {
          guard let scale = ranges.parameters(group)?.scale else {
            return y.update(from: x, count: n)
          }
          FakeQuantize.bias(n, x, y, Scalar(scale), s, each: each)
        }, backward: {}))
    return passingOn(raw, y)
  }

  private func memory(_ count: Int) -> UnsafeMutablePointer<Scalar> {
    let tensor = Tensor<Scalar>([count])
    kept.append(tensor)
    return tensor.data
  }

  /// The derivative by what was rounded is that by the rounded.
  private func passingOn(
    _ raw: Tensor<Scalar>, _ rounded: UnsafeMutablePointer<Scalar>
  ) -> Tensor<Scalar> {
    let result = Tensor(raw.shape, data: rounded, gradient: raw.gradient)
    kept.append(result)
    return result
  }

  private func activation(_ value: Value, _ raw: Tensor<Scalar>) -> Tensor<Scalar> {
    guard let group = rounding.scheme.group(of: value), raw.isReal else { return raw }
    if let known = rounded[ObjectIdentifier(value)] { return known }
    let result = Tensor<Scalar>(raw.shape, needsGradient: raw.gradient != nil)
    let ranges = rounding.ranges
    let (n, x, y) = (raw.count, raw.data, result.data)
    let (dx, dy) = (raw.gradient, result.gradient)
    let isTraining = self.isTraining
    passes.append(
      Passes(
        forward: {
          if isTraining && ranges.isObserving {
            let (low, high) = FakeQuantize.limits(n, x)
            ranges.observe(group, Float(low), Float(high))
          }
          if let parameters = ranges.parameters(group) {
            FakeQuantize.activations(n, x, y, parameters)
          } else {
            y.update(from: x, count: n)
          }
        },
        backward: {
          guard let dx, let dy, let parameters = ranges.parameters(group) else { return }
          FakeQuantize.passThrough(n, x, dy, dx, parameters)
        }))
    rounded[ObjectIdentifier(value)] = result
    kept.append(value)
    activations.append(result)
    return result
  }

  private func drop(_ value: Value, _ x: Tensor<Scalar>) throws -> Tensor<Scalar> {
    guard isTraining, let node = rounding.dropouts[ObjectIdentifier(value)] else { return x }
    if let known = dropped[ObjectIdentifier(x)] { return known }
    let y = Tensor<Scalar>(x.shape, needsGradient: x.gradient != nil)
    let call = NodeCall(node, inputs: [x], outputs: [y], isTraining: true, random: random)
    passes.append(try dropoutRule(call))
    kept += [call, x]
    dropped[ObjectIdentifier(x)] = y
    activations.append(y)
    return y
  }
}
