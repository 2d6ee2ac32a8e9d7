import Quantization

/// What the tensors that share a scale hold while a network is trained: the ranges of which their
/// scales and zero points are made.
public final class ActivationRanges {
  /// How a range follows from batch to batch.
  public enum Observer: String, CaseIterable, Sendable {
    /// range ← momentum · range + (1 − momentum) · the batch's.
    case movingAverage = "moving-average"
    /// From the smallest to the largest number seen.
    case minmax
  }

  public let type: ActivationType
  let observer: Observer
  let momentum: Float
  /// Whether batches of training still change the ranges.
  var isObserving = true
  private var known: [(lower: Float, upper: Float)]
  /// Of the batch that is being computed.
  private var batch: [(lower: Float, upper: Float)]

  private static let nothing = (lower: Float.infinity, upper: -Float.infinity)

  init(groups: Int, _ type: ActivationType, _ observer: Observer, momentum: Float) {
    self.type = type
    self.observer = observer
    self.momentum = momentum
    known = Array(repeating: ActivationRanges.nothing, count: groups)
    batch = known
  }

  /// The range of each group; nil where it never held anything.
  public var ranges: [(lower: Float, upper: Float)?] {
    known.map { $0.lower <= $0.upper ? $0 : nil }
  }

  /// Of a group; in the first batch what is known of that.
  func parameters(_ group: Int) -> LinearParameters? {
    let range = known[group].lower <= known[group].upper ? known[group] : batch[group]
    return range.lower <= range.upper ? LinearParameters(range, type) : nil
  }

  /// One of the group's tensors in this batch.
  func observe(_ group: Int, _ lower: Float, _ upper: Float) {
    batch[group].lower = min(batch[group].lower, lower)
    batch[group].upper = max(batch[group].upper, upper)
  }

  /// The ranges follow the batch whose forward pass is done.
  public func endBatch() {
    for (g, new) in batch.enumerated() where new.lower <= new.upper {
      let old = known[g]
      if old.lower > old.upper {
        known[g] = new
      } else if observer == .minmax {
        known[g] = (min(old.lower, new.lower), max(old.upper, new.upper))
      } else {
        known[g].lower = momentum * old.lower + (1 - momentum) * new.lower
        known[g].upper = momentum * old.upper + (1 - momentum) * new.upper
      }
      batch[g] = ActivationRanges.nothing
    }
  }

  /// Two numbers for each group, as checkpoints have them.
  var numbers: [Float] {
    get { known.flatMap { [$0.lower, $0.upper] } }
    set {
      precondition(newValue.count == 2 * known.count)
      known = known.indices.map { (newValue[2 * $0], newValue[2 * $0 + 1]) }
    }
  }
}
