import Foundation
import Graph
import Zoo

/// Trains a step-wise machine on a problem of memory: it is shown a sequence step by step, and the
/// cross-entropy of the bits that it is to say then is made small. All sequences of a batch are of one
/// size, drawn for the batch.
public final class MemoryTask: TrainingTask {
  public let problem: MemoryProblem
  private let bits: Int
  private let length: Curriculum
  private let repeats: Curriculum
  private let batchSize: Int
  private let seed: UInt64
  private let part: Int
  public let batchCount: Int

  // Of an evaluation.
  private var nats = 0.0
  private var wrong = 0.0
  private var sequences = 0.0
  /// The first sequence, step by step.
  private var steps: [Step] = []
  private var looks: HeadLog

  private struct Step {
    var shown: [Float]
    var wanted: [Float]
    var said: [Float]
  }

  /// - Parameters:
  ///   - length: from which a batch's `MemoryProblem.Size.length` is drawn; so are `repeats`.
  ///   - part: of the random numbers: those of training are not those that are tested on.
  ///   - heads: what is drawn of an evaluation.
  init(
    _ problem: MemoryProblem, bits: Int, length: Curriculum, repeats: Curriculum, batchSize: Int,
    batchCount: Int, seed: UInt64, part: Int, heads: [MemoryHead] = []
  ) {
    self.problem = problem
    self.bits = bits
    self.length = length
    self.repeats = repeats
    self.batchSize = batchSize
    self.batchCount = batchCount
    self.seed = seed
    self.part = part
    looks = HeadLog(heads)
  }

  public var sampleCount: Int { batchCount * batchSize }
  public var unit: String { "sequences" }

  /// The sequences of a batch: each step's inputs [batch · width] and the targets of the last steps.
  func batch(epoch: Int, index: Int) -> (inputs: [[Float]], targets: [[Float]]) {
    var random = SeededRandom(seed: seed, part, epoch, index)
    let size = MemoryProblem.Size(
      length: length.draw(epoch: epoch, &random), repeats: repeats.draw(epoch: epoch, &random))
    var inputs: [[Float]] = []
    var targets: [[Float]] = []
    for sample in 0..<batchSize {
      let episode = problem.episode(size, bits: bits, &random)
      if sample == 0 {
        inputs = episode.inputs
        targets = episode.targets
      } else {
        for t in inputs.indices { inputs[t] += episode.inputs[t] }
        for t in targets.indices { targets[t] += episode.targets[t] }
      }
    }
    return (inputs, targets)
  }

  public func run(_ rollout: Rollout<Float>, epoch: Int, index: Int) throws -> BatchResult {
    let (inputs, targets) = batch(epoch: epoch, index: index)
    let width = problem.widths(bits: bits).input
    rollout.begin(resetsStates: true)
    var sum = 0.0
    let silent = inputs.count - targets.count
    for (t, input) in inputs.enumerated() {
      let outputs = try rollout.call(nil, [BatchTensor([batchSize, width], input)])
      let y = outputs[0]
      if !rollout.isTraining && index == 0 {
        note(input, t < silent ? nil : targets[t - silent], outputs)
      }
      if t < silent { continue }
      let target = targets[t - silent]
      sum += target.withUnsafeBufferPointer {
        Loss.binaryCrossEntropy.evaluate(y, LossTargets(values: $0.baseAddress)).loss
      }
      if let gradient = y.gradient {
        // The mean over steps.
        for i in 0..<y.count { gradient[i] /= Float(targets.count) }
      }
      for i in 0..<y.count where (y.data[i] > 0) != (target[i] > 0.5) { wrong += 1 }
    }
    let loss = sum / Double(targets.count)
    let count = Double(targets.count * (targets.first?.count ?? 0))
    nats += loss * count
    sequences += Double(batchSize)
    return BatchResult(loss: loss, count: Double(batchSize))
  }

  private func note(_ input: [Float], _ target: [Float]?, _ outputs: [Tensor<Float>]) {
    let (width, outputWidth) = problem.widths(bits: bits)
    steps.append(
      Step(
        shown: Array(input[..<width]),
        wanted: target.map { Array($0[..<outputWidth]) }
          ?? [Float](repeating: 0, count: outputWidth),
        said: (0..<outputWidth).map { 1 / (1 + exp(-outputs[0].data[$0])) }))
    looks.note(outputs)
  }

  public func beginEvaluation() {
    (nats, wrong, sequences) = (0, 0, 0)
    steps = []
    looks.clear()
  }

  /// Bits per sequence, the paper's figure, and bits said wrong.
  public func measures() -> [Measure] {
    [
      Measure(
        "bits/sequence", nats / log(2) / max(sequences, 1), isShare: false, isBetterWhenHigher: false),
      Measure("wrong bits", wrong / max(sequences, 1), isShare: false, isBetterWhenHigher: false),
    ]
  }

  /// A sequence: what is shown, wanted and said, and where the heads look.
  public var figures: [ReportFigure] {
    func figure(_ title: String, _ column: (Step) -> [Float]) -> ReportFigure {
      ReportFigure(
        title: title, svg: HeatMap(columns: steps.map(column), rowTitle: "bit", "step").svg)
    }
    return [
      figure("Shown") { $0.shown }, figure("Wanted") { $0.wanted }, figure("Said") { $0.said },
    ] + looks.figures()
  }
}
