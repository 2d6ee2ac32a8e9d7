/// What one step of training or evaluation is computed from.
///
/// The arrays are made once and filled again and again.
public struct Batch {
  /// Samples in the batch; the last of an epoch may be smaller than the others.
  public var count = 0
  /// `count` samples, one after the other: shape [count] + the source's `inputShape`. Empty where
  /// the inputs are tokens.
  public var inputs: [Float] = []
  /// Text: token numbers, time first: shape [length, count].
  public var tokens: [Int32] = []
  /// Targets that are classes: shape [count]; text: the next token, shape [length, count].
  public var classes: [Int32] = []
  /// Targets that are numbers: shape [count] + the target's shape.
  public var values: [Float] = []
  /// The batch goes on where the one before it stopped: a recurrent network keeps its state.
  public var continues = false

  public init() {}
}

/// What the targets of a batch are.
public enum TargetKind: Equatable {
  /// `Batch.classes`, each in 0..<count.
  case classes(count: Int)
  /// `Batch.values`, of this shape for each sample.
  case values(shape: [Int])
  /// `Batch.classes`, one in 0..<count for each of `length` steps: the token that follows.
  case nextTokens(count: Int, length: Int)
}

/// Where the trainer gets its batches.
///
/// A batch depends on nothing but the source's seed, the epoch and its index: a run that is resumed
/// in the middle sees the same batches, bit for bit.
public protocol BatchSource: AnyObject {
  /// Samples (text: predicted tokens) in an epoch.
  var sampleCount: Int { get }
  /// Batches in an epoch.
  var batchCount: Int { get }
  /// The most samples that a batch has.
  var batchSize: Int { get }
  /// The shape of one sample after the transforms; for text [length].
  var inputShape: [Int] { get }
  /// Inputs are token numbers in `Batch.tokens`.
  var hasTokens: Bool { get }
  var target: TargetKind { get }
  /// The classes' names, or the tokens', for reports and for the model's metadata.
  var classNames: [String]? { get }
  /// How good who learns nothing is, where that is worth a comparison.
  var baseline: Measure? { get }

  /// Fills `batch` with batch `index` of an epoch (both from 0 on).
  func fill(_ batch: inout Batch, epoch: Int, index: Int)
}

extension BatchSource {
  public var baseline: Measure? { nil }
}
