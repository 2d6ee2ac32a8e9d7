import Graph

/// Calls of a network's functions one after the other, differentiated as a whole: back-propagation
/// through time (P. Werbos 1990) for whatever is a function with state.
///
///     rollout.begin(resetsStates: true)
///     let memory = try rollout.call("encode", [tokens])
///     for token in target { logits.append(try rollout.call("step", [token])[0]) }
///     … put the loss's derivatives into the outputs' gradients …
///     rollout.backward()
///     rollout.carryStates()
///
/// The states that a call reads are what the last call before it that changes them left, and so the
/// derivatives find their way back. Each call of a batch has tensors of its own, kept for the next batch.
public final class Rollout<Scalar: TrainingScalar> {
  public let network: Network<Scalar>
  /// Whether dropout drops, normalisation uses the batch, and `backward` will be called.
  public let isTraining: Bool

  private struct Key: Hashable {
    let function: String
    let shapes: [[Int]]
  }

  private struct Call {
    let program: Program<Scalar>
    /// Which tensor of an earlier call each of the program's states was copied from.
    var sources: [(from: Tensor<Scalar>, to: Tensor<Scalar>)] = []
  }

  private var programs: [Key: [Program<Scalar>]] = [:]
  private var used: [Key: Int] = [:]
  private var calls: [Call] = []
  /// What states were left at, by calls of this batch.
  private var latest: [ObjectIdentifier: Tensor<Scalar>] = [:]
  /// Is told of each call.
  public var onCall: ((RolloutCall) -> Void)?
  private var hasReset = false

  public init(_ network: Network<Scalar>, isTraining: Bool) {
    self.network = network
    self.isTraining = isTraining
  }

  /// Forgets the calls so far.
  ///
  /// - Parameter resetsStates: Whether states begin at their initial values; otherwise they go on from
  ///   what `carryStates` kept.
  public func begin(resetsStates: Bool) {
    used = [:]
    calls = []
    latest = [:]
    if resetsStates { network.resetStates() }
    hasReset = resetsStates
  }

  /// Runs a function and returns its outputs, which stay as they are until the next `begin`.
  public func call(
    _ name: String? = nil, _ inputs: [BatchTensor]
  ) throws -> [Tensor<Scalar>] {
    let program = try program(name, inputs)
    for (tensor, input) in zip(program.inputs, inputs) { try input.copy(into: tensor) }
    var call = Call(program: program)
    for (value, tensor) in program.states {
      let id = ObjectIdentifier(value)
      let source = latest[id] ?? network.tensors[id]!
      if tensor.isReal {
        tensor.data.update(from: source.data, count: tensor.count)
      } else {
        tensor.integers.update(from: source.integers, count: tensor.count)
      }
      if latest[id] != nil { call.sources.append((source, tensor)) }
    }
    if isTraining { program.zeroGradients() }
    program.forward()
    for update in program.updates { latest[ObjectIdentifier(update.value)] = update.next }
    calls.append(call)
    if let onCall {
      onCall(
        RolloutCall(
          function: name ?? network.function.name, inputs: inputs,
          outputs: program.outputs.map(BatchTensor.init), followsReset: hasReset,
          states: program.states.map { ($0.value.name, BatchTensor($0.tensor)) },
          nextStates: program.updates.map { ($0.value.name, BatchTensor($0.next)) }))
      hasReset = false
    }
    return program.outputs
  }

  /// Adds to the network's gradients what the outputs' gradients mean for them.
  public func backward() {
    for call in calls.reversed() {
      call.program.backward()
      for (from, to) in call.sources {
        guard let sum = from.gradient, let gradient = to.gradient else { continue }
        for i in 0..<to.count { sum[i] += gradient[i] }
      }
    }
  }

  /// The network's states take what the calls left them at, for a batch that goes on from there.
  public func carryStates() {
    for (value, state) in network.states {
      guard let last = latest[ObjectIdentifier(value)] else { continue }
      if state.isReal {
        state.data.update(from: last.data, count: state.count)
      } else {
        state.integers.update(from: last.integers, count: state.count)
      }
    }
  }

  private func program(_ name: String?, _ inputs: [BatchTensor]) throws -> Program<Scalar> {
    let function: Function
    if let name {
      guard let found = network.functions.first(where: { $0.name == name }) else {
        throw TrainingError("the network has no function '\(name)'")
      }
      function = found
    } else {
      function = network.function
    }
    let key = Key(function: function.name, shapes: inputs.map(\.shape))
    let place = used[key, default: 0]
    used[key] = place + 1
    if let known = programs[key], place < known.count { return known[place] }
    let made = try network.program(
      key.shapes, of: function, isTraining: isTraining, ownsStates: true)
    programs[key, default: []].append(made)
    return made
  }
}

/// What a function was asked, and what it said.
public struct RolloutCall {
  public let function: String
  public let inputs: [BatchTensor]
  public let outputs: [BatchTensor]
  /// Whether states were put back to their initial values before it.
  public let followsReset: Bool
  /// What the function found its states at, and what it left them at.
  public let states: [(name: String, value: BatchTensor)]
  public let nextStates: [(name: String, value: BatchTensor)]
}
