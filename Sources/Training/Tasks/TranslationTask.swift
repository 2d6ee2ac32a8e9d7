import Foundation
import Graph
import Zoo

/// Trains a translator on pairs of texts, character by character: the decoder is given the target's
/// token before each (teacher forcing), and the cross-entropy of the one that comes is made small.
/// Evaluated, it also goes on from what it said itself, and whole targets are compared.
public final class TranslationTask: TrainingTask {
  private let problem: TranslationProblem
  private let numbers: [Int]
  private let source: Vocabulary
  private let target: Vocabulary
  private let sourceLength: Int
  private let batchSize: Int
  private let seed: UInt64
  private let part: Int
  public let batchCount: Int

  // Of an evaluation.
  private var (seen, right) = (0, 0)
  private var looks: (source: [String], said: [String], weights: [[Float]])?

  /// - Parameters:
  ///   - numbers: the pairs of this part.
  ///   - sourceLength: to which sources are padded.
  ///   - part: of the random numbers.
  init(
    _ problem: TranslationProblem, numbers: [Int], source: Vocabulary, target: Vocabulary,
    sourceLength: Int, batchSize: Int, batchCount: Int, seed: UInt64, part: Int
  ) {
    self.problem = problem
    self.numbers = numbers
    self.source = source
    self.target = target
    self.sourceLength = sourceLength
    self.batchSize = batchSize
    self.batchCount = batchCount
    self.seed = seed
    self.part = part
  }

  public var unit: String { "characters" }
  public var sampleCount: Int { batchCount * batchSize }

  /// Tokens of a text: 0 and 1 are the end and the start, token i of the vocabulary is i + 1.
  static func tokens(_ text: String, _ vocabulary: Vocabulary) -> [Int32] {
    vocabulary.tokens(text).map { $0 + 1 }
  }

  private struct Pairs {
    var sources: [[Int32]] = []
    var targets: [[Int32]] = []
  }

  private func pairs(_ epoch: Int, _ index: Int) -> Pairs {
    var random = SeededRandom(seed: seed, part, epoch, index)
    var result = Pairs()
    for _ in 0..<batchSize {
      let pair = problem.pair(numbers[random.integer(below: numbers.count)], &random)
      result.sources.append(Array(TranslationTask.tokens(pair.source, source).prefix(sourceLength)))
      result.targets.append(TranslationTask.tokens(pair.target, target) + [Translator.end])
    }
    return result
  }

  public func run(_ rollout: Rollout<Float>, epoch: Int, index: Int) throws -> BatchResult {
    let pairs = pairs(epoch, index)
    try encode(rollout, pairs.sources)
    let total = pairs.targets.reduce(0) { $0 + $1.count }
    let steps = pairs.targets.map(\.count).max() ?? 0
    var (sum, hits) = (0.0, 0)
    for t in 0..<steps {
      let given = pairs.targets.map { t == 0 ? Translator.start : t <= $0.count ? $0[t - 1] : 0 }
      let y = try step(rollout, given)[0]
      let result = Loss.crossEntropyOfStep(
        y, pairs.targets.map { t < $0.count ? $0[t] : nil }, total: total)
      sum += result.sum
      hits += result.hits
    }
    if !rollout.isTraining { try translate(rollout, pairs, steps, isFirst: index == 0) }
    return BatchResult(loss: sum / Double(total), count: Double(total), hits: Double(hits))
  }

  private func encode(_ rollout: Rollout<Float>, _ sources: [[Int32]]) throws {
    rollout.begin(resetsStates: true)
    var tokens = [Int32](repeating: 0, count: sourceLength * batchSize)
    for (i, source) in sources.enumerated() {
      for (t, token) in source.enumerated() { tokens[t * batchSize + i] = token }
    }
    _ = try rollout.call(
      "encode",
      [
        BatchTensor([sourceLength, batchSize], integers: tokens),
        BatchTensor([batchSize], integers: sources.map { Int32($0.count) }),
      ])
  }

  private func step(_ rollout: Rollout<Float>, _ tokens: [Int32]) throws -> [Tensor<Float>] {
    try rollout.call("step", [BatchTensor([1, batchSize], integers: tokens)])
  }

  /// What the network says when it hears itself: greedy decoding.
  private func translate(
    _ rollout: Rollout<Float>, _ pairs: Pairs, _ steps: Int, isFirst: Bool
  ) throws {
    try encode(rollout, pairs.sources)
    var said = [[Int32]](repeating: [], count: batchSize)
    var last = [Int32](repeating: Translator.start, count: batchSize)
    var weights: [[Float]] = []
    for _ in 0..<steps {
      let outputs = try step(rollout, last)
      let n = outputs[0].shape.last ?? 1
      for i in 0..<batchSize {
        last[i] = Int32(indexOfGreatest(outputs[0].data + i * n, n))
        said[i].append(last[i])
      }
      if isFirst, outputs.count > 1 {
        weights.append((0..<pairs.sources[0].count).map { outputs[1].data[$0] })
      }
    }
    for (said, target) in zip(said, pairs.targets) {
      seen += 1
      if Array(said.prefix(target.count)) == target { right += 1 }
    }
    if isFirst, !weights.isEmpty {
      let length = said[0].firstIndex(of: Translator.end) ?? said[0].count
      looks = (
        pairs.sources[0].map { text($0, source) }, said[0][..<length].map { text($0, target) },
        Array(weights[..<length])
      )
    }
  }

  private func text(_ token: Int32, _ vocabulary: Vocabulary) -> String {
    let text = String(decoding: vocabulary.bytes(Int(token) - 1), as: UTF8.self)
    return text == " " ? "␣" : text
  }

  public func beginEvaluation() {
    (seen, right) = (0, 0)
    looks = nil
  }

  public func measures() -> [Measure] {
    [Measure("exact", Double(right) / Double(max(seen, 1)))]
  }

  public var figures: [ReportFigure] {
    guard let looks else { return [] }
    return [
      ReportFigure(
        title: "What is looked at for each character",
        svg: HeatMap(looks.weights, rowNames: looks.said, columnNames: looks.source).svg)
    ]
  }
}
