import Foundation
import Graph
import Zoo

/// What a decoder is taught to write, and from what: pairs of texts, pictures with captions.
protocol DecoderExamples: AnyObject {
  /// What is counted in speeds: "pairs", "pictures".
  var unit: String { get }
  /// Examples in a batch, and batches in an epoch.
  var batchSize: Int { get }
  var batchCount: Int { get }

  func batch(epoch: Int, index: Int) throws -> DecoderBatch

  /// How many examples of an evaluation's first batch are drawn, and the drawings.
  var drawnCount: Int { get }
  func figures(of batch: DecoderBatch, _ looks: [DecoderLook]) -> [ReportFigure]
}

struct DecoderBatch {
  /// Of the function "encode".
  var inputs: [BatchTensor]
  /// Each with the end token.
  var targets: [[Int32]]
}

/// What was said of an example, and where was looked for each token: shares of the memory's rows.
struct DecoderLook {
  /// Without the end token.
  var tokens: [Int32]
  var weights: [[Float]]
}

/// Trains a network of the functions "encode" and "step" (see `AttentionDecoder.trainingStep`) to write
/// sequences: the decoder is given the target's token before each (teacher forcing), and the
/// cross-entropy of the one that comes is made small. Evaluated, it also goes on from what it said
/// itself, and whole targets are compared.
public final class DecoderTask: TrainingTask {
  private let examples: any DecoderExamples

  // Of an evaluation.
  private var (seen, right) = (0, 0)
  public private(set) var figures: [ReportFigure] = []

  init(_ examples: any DecoderExamples) {
    self.examples = examples
  }

  public var unit: String { examples.unit }
  public var batchCount: Int { examples.batchCount }
  public var sampleCount: Int { batchCount * examples.batchSize }

  public func run(_ rollout: Rollout<Float>, epoch: Int, index: Int) throws -> BatchResult {
    let batch = try examples.batch(epoch: epoch, index: index)
    try encode(rollout, batch)
    let total = batch.targets.reduce(0) { $0 + $1.count }
    let steps = batch.targets.map(\.count).max() ?? 0
    var (sum, hits) = (0.0, 0)
    for t in 0..<steps {
      let given = batch.targets.map {
        t == 0 ? DecoderToken.start : t <= $0.count ? $0[t - 1] : DecoderToken.end
      }
      let y = try step(rollout, given)[0]
      let result = Loss.crossEntropyOfStep(
        y, batch.targets.map { t < $0.count ? $0[t] : nil }, total: total)
      sum += result.sum
      hits += result.hits
    }
    if !rollout.isTraining { try write(rollout, batch, steps, isFirst: index == 0) }
    // By token, but counted by example: that is what speeds are told in.
    let count = Double(batch.targets.count)
    return BatchResult(
      loss: sum / Double(total), count: count, hits: Double(hits) / Double(total) * count)
  }

  private func encode(_ rollout: Rollout<Float>, _ batch: DecoderBatch) throws {
    rollout.begin(resetsStates: true)
    _ = try rollout.call("encode", batch.inputs)
  }

  private func step(_ rollout: Rollout<Float>, _ tokens: [Int32]) throws -> [Tensor<Float>] {
    try rollout.call("step", [BatchTensor([1, tokens.count], integers: tokens)])
  }

  /// What the network says when it hears itself: greedy decoding.
  private func write(
    _ rollout: Rollout<Float>, _ batch: DecoderBatch, _ steps: Int, isFirst: Bool
  ) throws {
    try encode(rollout, batch)
    let count = batch.targets.count
    let drawn = isFirst ? min(examples.drawnCount, count) : 0
    var looks = [DecoderLook](repeating: DecoderLook(tokens: [], weights: []), count: drawn)
    var said = [[Int32]](repeating: [], count: count)
    var last = [Int32](repeating: DecoderToken.start, count: count)
    for _ in 0..<steps {
      let outputs = try step(rollout, last)
      let n = outputs[0].shape.last ?? 1
      for i in 0..<count {
        last[i] = Int32(indexOfGreatest(outputs[0].data + i * n, n))
        said[i].append(last[i])
      }
      guard outputs.count > 1, let width = outputs[1].shape.last else { continue }
      for i in 0..<drawn {
        looks[i].weights.append((0..<width).map { outputs[1].data[i * width + $0] })
      }
    }
    for (said, target) in zip(said, batch.targets) {
      seen += 1
      if Array(said.prefix(target.count)) == target { right += 1 }
    }
    guard looks.contains(where: { !$0.weights.isEmpty }) else { return }
    for i in 0..<drawn {
      looks[i].tokens = Array(said[i].prefix { $0 != DecoderToken.end })
      looks[i].weights = Array(looks[i].weights.prefix(looks[i].tokens.count))
    }
    figures = examples.figures(of: batch, looks)
  }

  public func beginEvaluation() {
    (seen, right) = (0, 0)
    figures = []
  }

  public func measures() -> [Measure] {
    [Measure("exact", Double(right) / Double(max(seen, 1)))]
  }
}
