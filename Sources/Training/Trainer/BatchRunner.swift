import Graph

/// Computes a network's loss over batches: one program for each size of batch, made when first
/// needed.
final class BatchRunner {
  let network: Network<Float>
  let loss: Loss
  /// Of each output, in training.
  private let weights: [Float]
  let isTraining: Bool
  private var programs: [[Int]: Program<Float>] = [:]

  init(_ network: Network<Float>, loss: Loss, weights: [Float] = [1], isTraining: Bool) {
    self.network = network
    self.loss = loss
    self.weights = weights
    self.isTraining = isTraining
  }

  /// Puts a batch in and computes the outputs. The network's states go on where the batch says so.
  func forward(_ batch: Batch, _ source: any BatchSource) throws -> Program<Float> {
    let shape =
      source.hasTokens ? source.inputShape + [batch.count] : [batch.count] + source.inputShape
    let program: Program<Float>
    if let known = programs[shape] {
      program = known
    } else {
      program = try network.program([shape], isTraining: isTraining)
      programs[shape] = program
      try check(program, batch, source)
    }
    let input = program.inputs[0]
    if source.hasTokens {
      if input.isReal {
        for i in 0..<input.count { input.data[i] = Float(batch.tokens[i]) }
      } else {
        for i in 0..<input.count { input.integers[i] = Int64(batch.tokens[i]) }
      }
    } else {
      batch.inputs.withUnsafeBufferPointer {
        input.data.update(from: $0.baseAddress!, count: input.count)
      }
    }
    if !batch.continues { network.resetStates() }
    program.forward()
    return program
  }

  private func check(
    _ program: Program<Float>, _ batch: Batch, _ source: any BatchSource
  ) throws {
    guard let output = program.outputs.first else {
      throw TrainingError("the network has no output")
    }
    guard !isTraining || program.outputs.count == weights.count else {
      throw TrainingError(
        "the network has \(program.outputs.count) outputs, the loss has weights of \(weights.count)")
    }
    guard program.inputs[0].isReal != source.hasTokens || source.hasTokens else {
      throw TrainingError("the network's input takes integers; the data are numbers")
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

  /// The loss of the program's outputs; adds its derivative to their gradients in training. What is
  /// returned is the first output's.
  func evaluate(_ program: Program<Float>, _ batch: Batch) -> (loss: Double, count: Double, hits: Int) {
    batch.values.withUnsafeBufferPointer { values in
      batch.classes.withUnsafeBufferPointer { classes in
        let targets = LossTargets(values: values.baseAddress, classes: classes.baseAddress)
        for (output, weight) in zip(program.outputs, weights).dropFirst() where isTraining {
          _ = loss.evaluate(output, targets)
          guard let gradient = output.gradient else { continue }
          for i in 0..<output.count { gradient[i] *= weight }
        }
        return loss.evaluate(program.outputs[0], targets)
      }
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
    try evaluate(
      source, BatchRunner(self, loss: loss, isTraining: false), countsConfusion: countsConfusion)
  }

  func evaluate(
    _ source: any BatchSource, _ runner: BatchRunner, countsConfusion: Bool = false
  ) throws -> Evaluation {
    var batch = Batch()
    var result = Evaluation()
    var sum = 0.0
    var hits = 0
    if countsConfusion, case .classes(let n) = source.target {
      result.confusion = [[Int]](repeating: [Int](repeating: 0, count: n), count: n)
    }
    for index in 0..<source.batchCount {
      source.fill(&batch, epoch: 0, index: index)
      let program = try runner.forward(batch, source)
      let (loss, count, right) = runner.evaluate(program, batch)
      sum += loss * count
      result.count += count
      hits += right
      if result.confusion != nil { countConfusion(program.outputs[0], batch, &result) }
      program.carryStates()
    }
    result.loss = result.count > 0 ? sum / result.count : 0
    if runner.loss.usesClasses { result.accuracy = Double(hits) / max(result.count, 1) }
    return result
  }

  private func countConfusion(_ y: Tensor<Float>, _ batch: Batch, _ result: inout Evaluation) {
    let n = y.shape.last ?? 1
    for (row, target) in batch.classes.enumerated() {
      let z = y.data + row * n
      var best = 0
      for i in 1..<max(n, 1) where z[i] > z[best] { best = i }
      result.confusion![Int(target)][best] += 1
    }
  }
}
