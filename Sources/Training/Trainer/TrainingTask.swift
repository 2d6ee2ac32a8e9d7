import Foundation

/// What a network is trained to do: where its batches come from, how it is called on each, and what of
/// the results is good. `SupervisedTask` is the one of samples with targets.
///
/// A batch depends on nothing but the task's seed, the epoch and its index: a run that is resumed in
/// the middle sees the same batches, bit for bit. A task to be tested on gives the same for every epoch.
public protocol TrainingTask: AnyObject {
  /// Batches in an epoch.
  var batchCount: Int { get }
  /// What is counted as one in speeds ("samples", "sequences"), and how many an epoch has.
  var unit: String { get }
  var sampleCount: Int { get }

  /// Calls the network on batch `index` of an epoch (both from 0 on), beginning with
  /// `rollout.begin`. Where `rollout.isTraining`, adds the loss's derivatives to the outputs' gradients.
  func run(_ rollout: Rollout<Float>, epoch: Int, index: Int) throws -> BatchResult

  /// Told before the batches of an evaluation, from which `measures` are computed.
  func beginEvaluation()
  /// What there is to say of the batches since `beginEvaluation` besides their loss; the first is
  /// what `watch: measure` watches.
  func measures() -> [Measure]
  /// Drawings of what `measures` was computed from, for the report.
  var figures: [ReportFigure] { get }
}

extension TrainingTask {
  public var unit: String { "samples" }
  public func beginEvaluation() {}
  public func measures() -> [Measure] { [] }
  public var figures: [ReportFigure] { [] }
}

/// A task whose samples can be written as a text.
public protocol TextSamples {
  /// Those of the first epoch.
  ///
  /// - Parameter count: of samples; nil: all of them.
  func text(count: Int?) -> String
}

/// What came of a batch.
public struct BatchResult {
  /// The mean over `count` samples (tokens, elements).
  public var loss: Double
  public var count: Double
  /// How many of the `count` are right; nil: there is no right and wrong.
  public var hits: Double?

  public init(loss: Double, count: Double, hits: Double? = nil) {
    self.loss = loss
    self.count = count
    self.hits = hits
  }
}

/// A drawing in the report: inline SVG, with the colours of the page's style.
public struct ReportFigure {
  public var title: String
  public var svg: String

  public init(title: String, svg: String) {
    self.title = title
    self.svg = svg
  }
}

/// A named figure of an evaluation.
public struct Measure: Equatable, Sendable {
  /// "mAP@0.5", "label error".
  public var name: String
  public var value: Double
  /// Whether it is shown as a percentage.
  public var isShare: Bool
  public var isBetterWhenHigher: Bool

  public init(
    _ name: String, _ value: Double, isShare: Bool = true, isBetterWhenHigher: Bool = true
  ) {
    self.name = name
    self.value = value
    self.isShare = isShare
    self.isBetterWhenHigher = isBetterWhenHigher
  }

  /// "93.10 %".
  public var valueText: String {
    isShare ? String(format: "%.2f %%", 100 * value) : String(format: "%.4g", value)
  }

  /// "mAP@0.5 93.10 %".
  public var text: String { name + " " + valueText }
}
