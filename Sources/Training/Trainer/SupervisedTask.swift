import Graph

/// Samples and what the network's outputs should be for them: the loss compares them.
public final class SupervisedTask: TrainingTask {
  public let source: any BatchSource
  public let loss: Loss
  /// Of each output, in training: see `TrainerOptions.lossWeights`.
  private let weights: [Float]
  private var batch = Batch()
  private var checked: Set<[Int]> = []
  /// `confusion[target][prediction]`, where it is counted.
  private(set) var confusion: [[Int]]?
  private let countsConfusion: Bool

  /// - Parameter countsConfusion: whether to count which classes are taken for which.
  public init(
    _ source: any BatchSource, loss: Loss, weights: [Float] = [1], countsConfusion: Bool = false
  ) {
    self.source = source
    self.loss = loss
    self.weights = weights
    self.countsConfusion = countsConfusion
  }

  public var batchCount: Int { source.batchCount }
  public var sampleCount: Int { source.sampleCount }
  public var unit: String { source.hasTokens ? "characters" : "samples" }

  public func run(_ rollout: Rollout<Float>, epoch: Int, index: Int) throws -> BatchResult {
    source.fill(&batch, epoch: epoch, index: index)
    rollout.begin(resetsStates: !batch.continues)
    let input =
      source.hasTokens
      ? BatchTensor(source.inputShape + [batch.count], integers: batch.tokens)
      : BatchTensor([batch.count] + source.inputShape, batch.inputs)
    let count = rollout.network.function.inputs.count
    guard count == 1 else {
      throw TrainingError("the network has \(count) inputs; it must have one to be trained")
    }
    let outputs = try rollout.call(nil, [input])
    if checked.insert(input.shape).inserted { try check(outputs, rollout.isTraining) }
    let result = evaluate(outputs, rollout.isTraining)
    if confusion != nil { countConfusion(outputs[0]) }
    return result
  }

  public func measures() -> [Measure] { source.baseline.map { [$0] } ?? [] }

  public func beginEvaluation() {
    guard countsConfusion, case .classes(let n) = source.target else { return }
    confusion = [[Int]](repeating: [Int](repeating: 0, count: n), count: n)
  }

  private func check(_ outputs: [Tensor<Float>], _ isTraining: Bool) throws {
    guard let output = outputs.first else { throw TrainingError("the network has no output") }
    guard !isTraining || outputs.count == weights.count else {
      throw TrainingError(
        "the network has \(outputs.count) outputs, the loss has weights of \(weights.count)")
    }
    switch source.target {
    case .classes(let n), .nextTokens(let n, _):
      guard loss.usesClasses else {
        throw TrainingError("the loss \(loss.rawValue) wants numbers; the targets are classes")
      }
      let rows = output.count / max(output.shape.last ?? 1, 1)
      guard output.shape.last == n, rows == batch.classes.count else {
        throw TrainingError(
          "the network's output is \(output.shape); \(batch.classes.count) targets of \(n) classes "
            + "need [\(batch.classes.count), \(n)]")
      }
    case .values(let shape):
      guard !loss.usesClasses else {
        throw TrainingError("the loss \(loss.rawValue) wants classes; the targets are numbers")
      }
      guard output.count == batch.values.count else {
        throw TrainingError(
          "the network's output is \(output.shape); the targets are \([batch.count] + shape)")
      }
    }
  }

  /// The loss of the outputs; adds its derivative to their gradients in training. What is returned
  /// is the first output's.
  private func evaluate(_ outputs: [Tensor<Float>], _ isTraining: Bool) -> BatchResult {
    batch.values.withUnsafeBufferPointer { values in
      batch.classes.withUnsafeBufferPointer { classes in
        let targets = LossTargets(values: values.baseAddress, classes: classes.baseAddress)
        for (output, weight) in zip(outputs, weights).dropFirst() where isTraining {
          _ = loss.evaluate(output, targets)
          guard let gradient = output.gradient else { continue }
          for i in 0..<output.count { gradient[i] *= weight }
        }
        let (value, count, hits) = loss.evaluate(outputs[0], targets)
        return BatchResult(
          loss: value, count: count, hits: loss.countsHits ? Double(hits) : nil)
      }
    }
  }

  private func countConfusion(_ y: Tensor<Float>) {
    let n = y.shape.last ?? 1
    for (row, target) in batch.classes.enumerated() {
      confusion![Int(target)][indexOfGreatest(y.data + row * n, n)] += 1
    }
  }
}

extension Network where Scalar == Float {
  /// The mean loss over a source, without training.
  ///
  /// - Parameter countsConfusion: whether to count which classes are taken for which.
  public func evaluate(
    _ source: any BatchSource, loss: Loss, countsConfusion: Bool = false
  ) throws -> Evaluation {
    try evaluate(SupervisedTask(source, loss: loss, countsConfusion: countsConfusion))
  }

  /// What a task says of the network, without training.
  public func evaluate(_ task: any TrainingTask) throws -> Evaluation {
    try Rollout(self, isTraining: false).evaluate(task)
  }
}

extension Rollout where Scalar == Float {
  func evaluate(_ task: any TrainingTask) throws -> Evaluation {
    var result = Evaluation()
    var sums = BatchSums()
    task.beginEvaluation()
    for index in 0..<task.batchCount {
      sums.add(try task.run(self, epoch: 0, index: index))
      carryStates()
    }
    sums.describe(&result)
    result.measures = task.measures()
    result.confusion = (task as? SupervisedTask)?.confusion
    return result
  }
}

/// Results of batches, together.
struct BatchSums {
  private var loss = 0.0
  private(set) var count = 0.0
  private var hits: Double?

  mutating func add(_ result: BatchResult) {
    loss += result.loss * result.count
    count += result.count
    if let hits = result.hits { self.hits = (self.hits ?? 0) + hits }
  }

  var meanLoss: Double { count > 0 ? loss / count : 0 }
  var accuracy: Double? { hits.map { $0 / max(count, 1) } }

  func describe(_ evaluation: inout Evaluation) {
    evaluation.loss = meanLoss
    evaluation.count = count
    evaluation.accuracy = accuracy
  }
}
