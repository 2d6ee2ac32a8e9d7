import Graph

// Rules that look at the loss elsewhere before they decide.

extension Trainer {
  /// Refuses what makes another function of the loss, or another gradient, from step to step.
  static func checkSearch(_ options: TrainerOptions, _ training: any TrainingTask) throws {
    guard options.rule is any SearchRule else { return }
    let name = options.rule.name
    guard training.batchCount == 1 else {
      throw TrainingError(
        "\(name) needs all samples in one batch, and there are \(training.batchCount) batches")
    }
    guard options.clipNorm == nil, options.clipValue == nil else {
      throw TrainingError("\(name) needs the loss's own gradient; it cannot be clipped")
    }
    guard options.quantization == nil else {
      throw TrainingError("\(name) cannot train for int8, where the loss has steps")
    }
    guard options.lossWeights.count == 1 else {
      throw TrainingError("\(name) makes one loss small; the network has auxiliary outputs")
    }
  }

  /// One step of the rule, over a batch whose loss and gradients are known.
  ///
  /// - Returns: How far it went.
  func search(_ index: Int, loss: Double) throws -> Double {
    // What a forward pass changes by the way (running means) is that of the first pass alone.
    let untrained = network.weights.filter { $0.range == nil && $0.tensor.isReal }.map(\.tensor)
    let before = untrained.map { Array(UnsafeBufferPointer(start: $0.data, count: $0.count)) }
    let length = try optimizer.search(parameters, loss: loss + penalty) {
      // The same dropout at every point.
      network.random.source = RandomSource(seed: options.seed, UInt64(update))
      network.zeroGradients()
      let loss = try training.run(trainingRollout, epoch: epoch, index: index).loss
      trainingRollout.backward()
      if options.l2 > 0 { addL2(parameters, strength: options.l2) }
      return loss + penalty
    }
    for (tensor, numbers) in zip(untrained, before) {
      tensor.data.update(from: numbers, count: numbers.count)
    }
    return length
  }

  /// λ/2 · Σ w².
  private var penalty: Double {
    guard options.l2 > 0 else { return 0 }
    var squares = 0.0
    for parameter in parameters where parameter.decays {
      for w in parameter.values { squares += Double(w) * Double(w) }
    }
    return Double(options.l2) / 2 * squares
  }
}
