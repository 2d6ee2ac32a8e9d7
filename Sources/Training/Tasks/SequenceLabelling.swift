import Graph

/// Sequences of different lengths, each with a label or with a label for every step.
///
/// A batch is padded to its longest sequence's length, rounded up so that there are few shapes; the
/// network is told the lengths, and steps behind a sequence's end count for nothing. In training,
/// sequences of like lengths come together, batches in an order of chance.
public final class SequenceLabelling: TrainingTask {
  private let sequences: [LabelledSequence]
  private let batchSize: Int
  private let seed: UInt64
  private let isTraining: Bool
  /// Numbers of the sequences of each batch, in `epoch`.
  private var batches: [[Int]] = []
  private var epoch = -1
  /// Of an evaluation: sequences, and those of which all is right.
  private var (seen, right) = (0, 0)

  static let lengthStep = 20

  public init(
    _ sequences: [LabelledSequence], batchSize: Int, seed: UInt64, isTraining: Bool
  ) {
    self.sequences = sequences
    self.batchSize = batchSize
    self.seed = seed
    self.isTraining = isTraining
  }

  /// What has a label.
  public var unit: String { isPerStep ? "characters" : "sequences" }
  public var sampleCount: Int { sequences.reduce(0) { $0 + $1.labels.count } }
  private var isPerStep: Bool { sequences.contains { $0.labels.count > 1 } }
  public var batchCount: Int { (sequences.count + batchSize - 1) / batchSize }

  /// - Parameter steps: To pad to; nil: as far as the longest wants.
  static func batch(
    _ sequences: [LabelledSequence], steps: Int? = nil
  ) -> (inputs: [BatchTensor], labels: [Int32], mask: [Float]) {
    let longest = sequences.map(\.tokens.count).max() ?? 0
    let steps = steps ?? (longest + lengthStep - 1) / lengthStep * lengthStep
    let isPerStep = sequences.contains { $0.labels.count > 1 }
    var tokens: [Int32] = []
    var labels: [Int32] = []
    var mask: [Float] = []
    for sequence in sequences {
      let padding = steps - sequence.tokens.count
      tokens += sequence.tokens + [Int32](repeating: 0, count: padding)
      labels += sequence.labels
      mask += sequence.labels.map { _ in 1 }
      if isPerStep {
        let rest = steps - sequence.labels.count
        labels += [Int32](repeating: 0, count: rest)
        mask += [Float](repeating: 0, count: rest)
      }
    }
    return (
      [
        BatchTensor([sequences.count, steps], integers: tokens),
        BatchTensor([sequences.count], integers: sequences.map { Int32($0.tokens.count) }),
      ], labels, mask
    )
  }

  public func run(_ rollout: Rollout<Float>, epoch: Int, index: Int) throws -> BatchResult {
    arrange(epoch)
    let (inputs, labels, mask) = SequenceLabelling.batch(batches[index].map { sequences[$0] })
    rollout.begin(resetsStates: true)
    let y = try rollout.call(nil, inputs)[0]
    guard y.count / max(y.shape.last ?? 1, 1) == labels.count else {
      throw TrainingError(
        "the network's output is \(y.shape); there are labels for \(labels.count) of its rows")
    }
    if !rollout.isTraining { countRight(y, labels, mask, batches[index].count) }
    return labels.withUnsafeBufferPointer { labels in
      mask.withUnsafeBufferPointer { mask in
        let (loss, count, hits) = Loss.crossEntropy.evaluate(
          y, LossTargets(classes: labels.baseAddress, mask: mask.baseAddress))
        return BatchResult(loss: loss, count: count, hits: Double(hits))
      }
    }
  }

  private func arrange(_ epoch: Int) {
    if self.epoch == epoch { return }
    self.epoch = epoch
    var random = SeededRandom(seed: seed, 1, isTraining ? epoch : 0)
    func steps(_ i: Int) -> Int {
      (sequences[i].tokens.count + SequenceLabelling.lengthStep - 1) / SequenceLabelling.lengthStep
    }
    var order = random.permutation(sequences.count)
    let places = order.enumerated().sorted {
      (steps($0.element), $0.offset) < (steps($1.element), $1.offset)
    }
    order = places.map(\.element)
    let all = stride(from: 0, to: order.count, by: batchSize).map {
      Array(order[$0..<min($0 + batchSize, order.count)])
    }
    batches = isTraining ? random.permutation(all.count).map { all[$0] } : all
  }

  // MARK: Measures

  public func beginEvaluation() { (seen, right) = (0, 0) }

  public func measures() -> [Measure] {
    guard isPerStep else { return [] }
    return [Measure("whole sequences", Double(right) / Double(max(seen, 1)))]
  }

  private func countRight(_ y: Tensor<Float>, _ labels: [Int32], _ mask: [Float], _ count: Int) {
    let n = y.shape.last ?? 1
    let rows = labels.count / max(count, 1)
    for sequence in 0..<count {
      let isRight = (sequence * rows..<(sequence + 1) * rows).allSatisfy { row in
        if mask[row] == 0 { return true }
        let z = y.data + row * n
        return (0..<n).allSatisfy { z[$0] <= z[Int(labels[row])] }
      }
      seen += 1
      right += isRight ? 1 : 0
    }
  }
}
