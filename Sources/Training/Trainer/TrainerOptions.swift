/// How a network is trained.
public struct TrainerOptions {
  public var epochs = 10
  public var loss = Loss.crossEntropy
  /// By how much the loss of each output counts in training. The first is the network's own, and
  /// alone is measured; others are auxiliary.
  public var lossWeights: [Float] = [1]
  public var rule: any OptimizerRule = SGD()
  /// η₀, and how it changes; a rule that searches finds its own lengths.
  public var learningRate = 0.01
  public var schedule = Schedule.constant
  /// Updates in which the rate rises in a line at first.
  public var warmUp = 0
  /// λ of the term λ/2 · Σ w² in the loss; 0: none.
  public var l2: Float = 0
  /// Gradients are clipped to ± this; nil: not.
  public var clipValue: Float?
  /// Gradients are scaled down to this norm; nil: not.
  public var clipNorm: Float?
  /// Stop after so many epochs without a better watched value; nil: never.
  public var patience: Int?
  /// What says which epoch was the best.
  public var watch = Watch.loss
  /// Of everything drawn while training (dropout). Shuffling has the data's seed.
  public var seed: UInt64 = 1
  /// Whether, and how, the last epochs train for int8.
  public var quantization: QuantizationTraining?

  /// Watched on the validation data. Where there is none, the last epoch counts as the best.
  public enum Watch: String, CaseIterable, Sendable {
    case loss, accuracy
    /// The task's first measure.
    case measure
  }

  public init() {}
}

extension TrainerOptions {
  /// The loss whose softmax or sigmoid stands behind a network that is run; nil: none does.
  func deployedLoss(_ task: any TrainingTask) -> Loss? {
    (task as? SupervisedTask).flatMap { $0.source.hasTokens ? nil : loss }
  }
}

/// How good a network is on a set of samples.
public struct Evaluation: Equatable, Sendable {
  public var loss = 0.0
  /// Rows (samples, tokens) or elements that the loss is the mean of.
  public var count = 0.0
  /// Share of rows whose largest output is the target's; of answers yes or no the share that is right.
  public var accuracy: Double?
  /// `confusion[target][prediction]`: rows counted; for classes only, where asked for.
  public var confusion: [[Int]]?
  /// Of the task; the first may be watched.
  public var measures: [Measure] = []

  public init() {}

  /// The cross-entropy in bits: of a character model bits per character.
  public var bits: Double { loss / 0.693_147_180_559_945_3 }
}

/// What one epoch brought.
public struct EpochResult: Sendable {
  /// From 0 on.
  public var epoch: Int
  /// Mean over the epoch's batches, each before its update.
  public var training: Evaluation
  public var validation: Evaluation?
  /// Of the epoch's last update; of a rule that searches the length that it found.
  public var learningRate: Float
  /// The largest gradient norm before clipping; nil where it was not computed.
  public var gradientNorm: Double?
  public var seconds: Double
  /// Whether no epoch before was better.
  public var isBest = false

  public init(
    epoch: Int, training: Evaluation, validation: Evaluation?, learningRate: Float,
    gradientNorm: Double?, seconds: Double, isBest: Bool = false
  ) {
    self.epoch = epoch
    self.training = training
    self.validation = validation
    self.learningRate = learningRate
    self.gradientNorm = gradientNorm
    self.seconds = seconds
    self.isBest = isBest
  }

  /// Samples (text: tokens) a second.
  public var rate: Double { seconds > 0 ? training.count / seconds : 0 }
}

/// Where training stands, told after each batch.
public struct TrainingProgress: Sendable {
  public var epoch: Int
  public var epochs: Int
  /// Batches done in this epoch.
  public var batch: Int
  public var batches: Int
  /// Mean of the epoch so far.
  public var loss: Double
  public var accuracy: Double?
  /// Samples (text: tokens) a second in this epoch so far.
  public var rate: Double
  /// Seconds until the last epoch's end at this rate.
  public var secondsLeft: Double

  public init(
    epoch: Int, epochs: Int, batch: Int, batches: Int, loss: Double, accuracy: Double?, rate: Double,
    secondsLeft: Double
  ) {
    self.epoch = epoch
    self.epochs = epochs
    self.batch = batch
    self.batches = batches
    self.loss = loss
    self.accuracy = accuracy
    self.rate = rate
    self.secondsLeft = secondsLeft
  }
}

/// Why training cannot go on: one sentence.
public struct TrainingError: Error, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}
