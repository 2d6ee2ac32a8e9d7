import Graph
import Zoo

/// Trains a step-wise machine to answer questions about stories: it is shown a word in each step, and
/// where an answer is requested, the cross-entropy of the word to say is made small.
public final class QuestionTask: TrainingTask, TextSamples {
  /// Where stories come from.
  enum Source {
    /// Made for each epoch; questions in a story.
    case made(QuestionGenerator, QuestionGenerator.Part, Curriculum)
    case read([QuestionStory])
  }

  private let source: Source
  private let words: [String]
  private let numbers: [String: Int32]
  private let batchSize: Int
  private let seed: UInt64
  private let isTraining: Bool
  public let sampleCount: Int

  // Of an evaluation.
  private var (asked, right) = (0, 0)
  /// Stories of the batch in whose answer a word was wrong.
  private var isWrong: Set<Int> = []
  private var names: [String] = []
  private var looks: HeadLog

  /// - Parameters:
  ///   - words: what the tokens stand for; 0 for any other.
  ///   - count: stories of an epoch, where they are made.
  init(
    _ source: Source, words: [String], count: Int, batchSize: Int, seed: UInt64, isTraining: Bool,
    heads: [MemoryHead] = []
  ) {
    self.source = source
    self.words = words
    numbers = Dictionary(
      words.enumerated().map { ($1, Int32($0)) }, uniquingKeysWith: { first, _ in first })
    self.batchSize = batchSize
    self.seed = seed
    self.isTraining = isTraining
    if case .read(let stories) = source { sampleCount = stories.count } else { sampleCount = count }
    looks = HeadLog(heads)
  }

  public var unit: String { "stories" }
  public var batchCount: Int { (sampleCount + batchSize - 1) / batchSize }

  /// In bAbI's format.
  public func text(count: Int?) -> String {
    let stories = (0..<batchCount).lazy.flatMap { self.stories(epoch: 0, index: $0) }
    return stories.prefix(count ?? sampleCount).map(\.text).joined()
  }

  /// The last batch of an epoch may have fewer.
  private func stories(epoch: Int, index: Int) -> [QuestionStory] {
    let range = index * batchSize..<min(sampleCount, (index + 1) * batchSize)
    switch source {
    case .made(let generator, let part, let questions):
      var random = SeededRandom(seed: seed, 11, part.rawValue, isTraining ? epoch : 0, index)
      let count = questions.draw(epoch: epoch, &random)
      return range.map { _ in generator.story(questions: count, part: part, &random) }
    case .read(let stories):
      if !isTraining { return Array(stories[range]) }
      var random = SeededRandom(seed: seed, 12, epoch)
      return random.permutation(stories.count)[range].map { stories[$0] }
    }
  }

  public func run(_ rollout: Rollout<Float>, epoch: Int, index: Int) throws -> BatchResult {
    let stories = stories(epoch: epoch, index: index).map(\.steps)
    let total = stories.reduce(0) { $0 + $1.count { $0.answer != nil } }
    var (sum, hits) = (0.0, 0)
    rollout.begin(resetsStates: true)
    for t in 0..<(stories.map(\.count).max() ?? 0) {
      // Behind the end of a story, and in places of the batch without one, comes token 0.
      let steps = (0..<batchSize).map { i in
        i < stories.count && t < stories[i].count ? stories[i][t] : nil
      }
      let outputs = try rollout.call(
        nil,
        [BatchTensor([batchSize], integers: steps.map { $0.flatMap { numbers[$0.word] } ?? 0 })])
      let wanted = steps.map { $0?.answer.map { numbers[$0] ?? 0 } }
      if wanted.contains(where: { $0 != nil }) {
        let result = Loss.crossEntropyOfStep(outputs[0], wanted, total: total)
        sum += result.sum
        hits += result.hits
      }
      if !rollout.isTraining {
        for i in stories.indices { note(i, outputs, steps[i], wanted[i], draws: index + i == 0) }
      }
    }
    return BatchResult(
      loss: sum / Double(max(total, 1)), count: Double(total), hits: Double(hits))
  }

  /// What a machine said in a step of story `i` of the batch. An answer is right where all its words are.
  private func note(
    _ i: Int, _ outputs: [Tensor<Float>], _ step: QuestionStory.Step?, _ wanted: Int32?, draws: Bool
  ) {
    guard let step else { return }
    var name = step.word
    if let wanted {
      let said = indexOfGreatest(outputs[0].data + i * words.count, words.count)
      if said != Int(wanted) { isWrong.insert(i) }
      name = "\(words[said]) \(said == Int(wanted) ? "✓" : "✗")"
    }
    if step.isLast {
      asked += 1
      if isWrong.remove(i) == nil { right += 1 }
    }
    if draws {
      names.append(name)
      looks.note(outputs)
    }
  }

  public func beginEvaluation() {
    (asked, right) = (0, 0)
    isWrong = []
    names = []
    looks.clear()
  }

  public func measures() -> [Measure] {
    [Measure("answers right", Double(right) / Double(max(asked, 1)))]
  }

  /// Of the first story: its words, what was answered, and where the heads looked.
  public var figures: [ReportFigure] { looks.figures(stepNames: names) }
}
