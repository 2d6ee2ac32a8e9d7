import Zoo

/// Pairs of texts to learn translating from, character by character.
final class TranslationPairs: DecoderExamples {
  private let problem: TranslationProblem
  private let numbers: [Int]
  private let source: Vocabulary
  private let target: Vocabulary
  private let sourceLength: Int
  private let seed: UInt64
  private let part: Int
  let batchSize: Int
  let batchCount: Int

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

  var unit: String { "pairs" }

  /// Tokens of a text: 0 and 1 are `DecoderToken`'s, token i of the vocabulary is i + 1.
  static func tokens(_ text: String, _ vocabulary: Vocabulary) -> [Int32] {
    vocabulary.tokens(text).map { $0 + 1 }
  }

  func batch(epoch: Int, index: Int) -> DecoderBatch {
    var random = SeededRandom(seed: seed, part, epoch, index)
    var lengths: [Int32] = []
    var tokens = [Int32](repeating: 0, count: sourceLength * batchSize)
    var targets: [[Int32]] = []
    for i in 0..<batchSize {
      let pair = problem.pair(numbers[random.integer(below: numbers.count)], &random)
      let text = TranslationPairs.tokens(pair.source, source).prefix(sourceLength)
      for (t, token) in text.enumerated() { tokens[t * batchSize + i] = token }
      lengths.append(Int32(text.count))
      targets.append(TranslationPairs.tokens(pair.target, target) + [DecoderToken.end])
    }
    return DecoderBatch(
      inputs: [
        BatchTensor([sourceLength, batchSize], integers: tokens),
        BatchTensor([batchSize], integers: lengths),
      ], targets: targets)
  }

  var drawnCount: Int { 1 }

  func figures(of batch: DecoderBatch, _ looks: [DecoderLook]) -> [ReportFigure] {
    guard let look = looks.first, case .integers(let tokens) = batch.inputs[0].numbers,
      case .integers(let lengths) = batch.inputs[1].numbers
    else { return [] }
    let length = Int(lengths[0])
    let map = HeatMap(
      look.weights.map { Array($0[..<length]) }, rowNames: look.tokens.map { text($0, target) },
      columnNames: (0..<length).map { text(tokens[$0 * batchSize], source) })
    return [ReportFigure(title: "What is looked at for each character", svg: map.svg)]
  }

  private func text(_ token: Int32, _ vocabulary: Vocabulary) -> String {
    let text = String(decoding: vocabulary.bytes(Int(token) - 1), as: UTF8.self)
    return text == " " ? "␣" : text
  }
}
