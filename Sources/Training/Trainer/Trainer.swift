import Foundation
import Graph
import Quantization

/// Trains a network: epochs of batches, each a forward pass, a backward pass and an update.
///
/// A run is determined by the graph's weights, the task, the options and the number of threads
/// (`TrainingThreads`): the same again gives the same weights, bit for bit, and so does a run that was
/// interrupted and resumed from a checkpoint.
public final class Trainer {
  /// Where the last epochs train for int8 it is another one from then on.
  public private(set) var network: Network<Float>
  public let options: TrainerOptions
  public private(set) var history: [EpochResult] = []
  /// Epochs done.
  public private(set) var epoch = 0
  public private(set) var bestEpoch: Int?
  /// The weights after the best epoch, as `WeightSnapshot` lays them out.
  public private(set) var best: [Float]?

  /// The weights with which training for int8 began, as a snapshot of the network before; nil where
  /// it has not.
  public private(set) var floatWeights: [Float]?

  /// Told after each batch and after each epoch.
  public var onProgress: ((TrainingProgress) -> Void)?
  public var onEpoch: ((EpochResult) throws -> Void)?

  public let training: any TrainingTask
  public let validation: (any TrainingTask)?
  private(set) var optimizer: Optimizer
  var learningRate: LearningRate
  private(set) var parameters: [Parameter]
  private(set) var trainingRollout: Rollout<Float>
  private var validationRollout: Rollout<Float>
  private(set) var update = 0
  /// Of the last step, where the rule searches.
  private var foundLength: Float?
  /// Places in the gradients of weights that are 0 and stay it: connections that a network lacks.
  private var missing: [Int] = []

  /// Trains on samples, with the loss of the options.
  public convenience init(
    _ graph: Graph, training: any BatchSource, validation: (any BatchSource)?,
    options: TrainerOptions
  ) throws {
    try self.init(
      graph,
      training: SupervisedTask(training, loss: options.loss, weights: options.lossWeights),
      validation: validation.map { SupervisedTask($0, loss: options.loss) }, options: options)
  }

  /// Trains on a task, which has a loss of its own.
  public init(
    _ graph: Graph, training: any TrainingTask, validation: (any TrainingTask)?,
    options: TrainerOptions
  ) throws {
    network = try Network(graph)
    self.training = training
    self.validation = validation
    self.options = options
    guard training.batchCount > 0 else { throw TrainingError("there is nothing to train on") }
    parameters = Trainer.parameters(network)
    guard !parameters.isEmpty else { throw TrainingError("the network has nothing to train") }
    optimizer = Optimizer(options.rule, counts: parameters.map(\.values.count))
    try Trainer.checkSearch(options, training)
    learningRate = LearningRate(
      base: options.learningRate, schedule: options.schedule, warmUp: options.warmUp,
      updatesPerEpoch: training.batchCount, epochs: options.epochs)
    trainingRollout = Rollout(network, isTraining: true)
    validationRollout = Rollout(network, isTraining: false)
  }

  private static func parameters(_ network: Network<Float>) -> [Parameter] {
    network.weights.compactMap { weight in
      weight.range.map { range in
        Parameter(
          values: .init(rebasing: network.parameters[range]),
          gradient: .init(rebasing: network.gradients[range]),
          // Biases and the scales of normalisation are vectors (a recurrent layer's bias is one for
          // each direction).
          decays: weight.tensor.shape.count > 1 && !weight.value.name.hasSuffix(".bias"))
      }
    }
  }

  /// Trains until the last epoch, or until patience runs out.
  public func run() throws {
    while epoch < options.epochs {
      if let quantization = options.quantization, floatWeights == nil {
        if epoch >= options.epochs - quantization.epochs {
          try beginQuantization(quantization)
        } else {
          try runEpoch()
          continue
        }
      }
      if let patience = options.patience, let bestEpoch, epoch - 1 - bestEpoch >= patience { break }
      // A search that found nothing lower finds nothing the next time.
      if optimizer.searches, history.last?.learningRate == 0 { break }
      try runEpoch()
    }
  }

  /// Gives the network the weights of the best epoch, and the graph with it.
  public func finish() {
    if let best { network.restore(best) }
    network.store()
  }

  // MARK: Training for int8

  /// From here on the graph is the one that is deployed, and rounds; the optimiser begins anew.
  private func beginQuantization(_ quantization: QuantizationTraining) throws {
    network.store()
    floatWeights = network.snapshot()
    let rounding = try FakeQuantization(
      network.graph, quantization, loss: options.deployedLoss(training))
    network = try Network(network.graph, fakeQuantization: rounding)
    parameters = Trainer.parameters(network)
    guard !parameters.isEmpty else { throw TrainingError("the network has nothing to train") }
    missing = network.weights.flatMap { weight -> [Int] in
      guard let range = weight.range, weight.tensor.shape.count > 1 else { return [] }
      let zeros = range.filter { network.parameters[$0] == 0 }
      return zeros.count < range.count ? zeros : []
    }
    optimizer = Optimizer(options.rule, counts: parameters.map(\.values.count))
    if let rate = quantization.learningRate { learningRate.base = rate }
    trainingRollout = Rollout(network, isTraining: true)
    validationRollout = Rollout(network, isTraining: false)
    // An epoch before this was not one of the network that is to be.
    bestEpoch = nil
    best = nil
  }

  // MARK: One epoch

  private func runEpoch() throws {
    let start = Date()
    if let quantization = options.quantization, let rounding = network.fakeQuantization {
      rounding.ranges.isObserving = epoch < options.epochs - quantization.frozenEpochs
    }
    var sums = BatchSums()
    var norm: Double?
    for index in 0..<training.batchCount {
      let step = try runStep(index)
      sums.add(step.result)
      if let n = step.norm { norm = max(norm ?? 0, n) }
      report(start, batch: index + 1, sums)
    }
    var result = EpochResult(
      epoch: epoch, training: Evaluation(), validation: nil,
      learningRate: foundLength ?? learningRate.value(update: update - 1), gradientNorm: norm,
      seconds: Date().timeIntervalSince(start))
    sums.describe(&result.training)
    if let validation { result.validation = try validationRollout.evaluate(validation) }
    let watched = result.validation ?? result.training
    learningRate.observe(loss: watched.loss)
    if isBetter(watched) {
      // Without validation the newest is kept, which says nothing about it.
      result.isBest = validation != nil
      bestEpoch = epoch
      best = network.snapshot()
    }
    history.append(result)
    epoch += 1
    try onEpoch?(result)
  }

  private func runStep(_ index: Int) throws -> (result: BatchResult, norm: Double?) {
    network.random.source = RandomSource(seed: options.seed, UInt64(update))
    network.zeroGradients()
    let result = try training.run(trainingRollout, epoch: epoch, index: index)
    guard result.loss.isFinite else {
      throw TrainingError(
        "the loss is no longer a number (epoch \(epoch + 1), update \(update + 1)): "
          + "a lower learning rate or clipping may help")
    }
    trainingRollout.backward()
    for i in missing { network.gradients[i] = 0 }
    network.fakeQuantization?.ranges.endBatch()
    if options.l2 > 0 { addL2(parameters, strength: options.l2) }
    if optimizer.searches {
      foundLength = Float(try search(index, loss: result.loss))
      update += 1
      return (result, nil)
    }
    if let limit = options.clipValue { clipByValue(parameters, limit: limit) }
    let norm = options.clipNorm.map { clipByNorm(parameters, limit: $0) }
    optimizer.update(parameters, learningRate: learningRate.value(update: update))
    trainingRollout.carryStates()
    update += 1
    return (result, norm)
  }

  private func report(_ start: Date, batch: Int, _ sums: BatchSums) {
    guard let onProgress else { return }
    let seconds = Date().timeIntervalSince(start)
    let batches = training.batchCount
    let left = Double((options.epochs - epoch) * batches - batch) / Double(batch) * seconds
    onProgress(
      TrainingProgress(
        epoch: epoch, epochs: options.epochs, batch: batch, batches: batches,
        loss: sums.meanLoss, accuracy: sums.accuracy,
        rate: seconds > 0 ? sums.count / seconds : 0, secondsLeft: left))
  }

  private func isBetter(_ e: Evaluation) -> Bool {
    // Without validation data there is nothing to tell a better epoch by: the last one counts.
    guard let bestEpoch, let before = history[bestEpoch].validation else { return true }
    switch options.watch {
    case .loss: return e.loss < before.loss
    case .accuracy: return (e.accuracy ?? 0) > (before.accuracy ?? 0)
    case .measure:
      guard let new = e.measures.first, let old = before.measures.first else {
        return e.loss < before.loss
      }
      return new.isBetterWhenHigher ? new.value > old.value : new.value < old.value
    }
  }

  // MARK: Checkpoints

  /// Everything that a run needs to go on bit for bit.
  public func checkpoint() -> Checkpoint {
    Checkpoint(
      weights: network.snapshot(), best: best ?? [], optimizer: optimizer.state,
      plateau: learningRate.plateau, update: update, bestEpoch: bestEpoch, history: history,
      floatWeights: floatWeights)
  }

  /// Goes on where `checkpoint` was made. The graph, data and options must be the same; only the
  /// number of epochs may differ.
  public func resume(_ checkpoint: Checkpoint) throws {
    if let weights = checkpoint.floatWeights {
      guard let quantization = options.quantization, weights.count == network.snapshotCount else {
        throw TrainingError("the checkpoint is of another network, or of one that trains for int8")
      }
      network.restore(weights)
      try beginQuantization(quantization)
    }
    guard checkpoint.weights.count == network.snapshotCount,
      checkpoint.best.isEmpty || checkpoint.best.count == network.snapshotCount,
      optimizer.restore(checkpoint.optimizer)
    else {
      throw TrainingError("the checkpoint is of another network or optimiser than the recipe's")
    }
    let updates = checkpoint.history.count * training.batchCount
    guard checkpoint.update == updates else {
      throw TrainingError(
        "the checkpoint is of other batches than the recipe's: \(checkpoint.update) updates in "
          + "\(checkpoint.history.count) epochs, which would be \(updates)")
    }
    network.restore(checkpoint.weights)
    best = checkpoint.best.isEmpty ? nil : checkpoint.best
    learningRate.plateau = checkpoint.plateau
    update = checkpoint.update
    bestEpoch = checkpoint.bestEpoch
    history = checkpoint.history
    epoch = checkpoint.history.count
  }
}

extension Network where Scalar == Float {
  /// Numbers in `snapshot`.
  var snapshotCount: Int {
    weights.reduce(0) { $0 + ($1.tensor.isReal ? $1.tensor.count : 0) }
      + (fakeQuantization?.ranges.numbers.count ?? 0)
  }

  /// The numbers of all float32 weights, those that training leaves alone (running means) included;
  /// behind them the ranges of activations, where these are rounded.
  public func snapshot() -> [Float] {
    var result: [Float] = []
    result.reserveCapacity(snapshotCount)
    for weight in weights where weight.tensor.isReal {
      result.append(
        contentsOf: UnsafeBufferPointer(start: weight.tensor.data, count: weight.tensor.count))
    }
    return result + (fakeQuantization?.ranges.numbers ?? [])
  }

  /// Takes back what `snapshot` gave.
  public func restore(_ snapshot: [Float]) {
    precondition(snapshot.count == snapshotCount)
    snapshot.withUnsafeBufferPointer { source in
      var at = 0
      for weight in weights where weight.tensor.isReal {
        weight.tensor.data.update(from: source.baseAddress! + at, count: weight.tensor.count)
        at += weight.tensor.count
      }
      if let ranges = fakeQuantization?.ranges { ranges.numbers = Array(source[at...]) }
    }
  }
}
