/// Tokens in a row, and what is to be said of them: one label for all of them, or one for each.
public struct LabelledSequence: Equatable {
  public var tokens: [Int32]
  public var labels: [Int32]

  /// - Precondition: as many labels as tokens, or one.
  public init(tokens: [Int32], labels: [Int32]) {
    precondition(labels.count == 1 || labels.count == tokens.count)
    self.tokens = tokens
    self.labels = labels
  }
}

/// Lines of text files with labels, divided by files: no line of a file that is trained on is among
/// those held out.
struct LabelledLines {
  var training: [LabelledSequence] = []
  var validation: [LabelledSequence] = []
  var test: [LabelledSequence] = []
  let vocabulary: Vocabulary
  let labelNames: [String]

  /// A line's characters and its labels.
  typealias Line = (scalars: [Unicode.Scalar], labels: [Int32])

  struct Options {
    /// Characters of the shortest and of the longest line to take.
    var lengths = 8...100
    /// Lines of each label to take of all parts together, where a line has one; nil: all.
    var countOfEach: Int?
    /// How often a character must stand in the lines of training to be a token.
    var minimumCount = 10
    var validation = 0.0
    var test = 0.0
    var seed: UInt64 = 1
  }

  /// - Parameters:
  ///   - groups: The lines of each file, the files in groups that are divided each on its own.
  init(_ groups: [[[Line]]], labelNames: [String], _ options: Options) throws {
    self.labelNames = labelNames
    let files = groups.flatMap { $0 }
    var split = (training: [Int](), validation: [Int](), test: [Int]())
    var start = 0
    for group in groups {
      let part = try Split(
        count: group.count, validation: options.validation, test: options.test, seed: options.seed)
      split.training += part.training.map { start + $0 }
      split.validation += part.validation.map { start + $0 }
      split.test += part.test.map { start + $0 }
      start += group.count
    }
    var random = SeededRandom(seed: options.seed, 6)
    var known: Set<String> = []
    func lines(_ indices: [Int], share: Double) -> [Line] {
      var all: [Line] = []
      for index in indices {
        for line in files[index] where options.lengths.contains(line.scalars.count) {
          // The same line again, in whatever part, would be no new one.
          if known.insert(String(String.UnicodeScalarView(line.scalars))).inserted { all.append(line) }
        }
      }
      all = random.permutation(all.count).map { all[$0] }
      guard let count = options.countOfEach else { return all }
      var left = [Int](
        repeating: Int((Double(count) * share).rounded(.up)), count: labelNames.count)
      return all.filter { line in
        guard line.labels.count == 1 else { return true }
        left[Int(line.labels[0])] -= 1
        return left[Int(line.labels[0])] >= 0
      }
    }
    let trained = lines(split.training, share: 1 - options.validation - options.test)
    let validated = lines(split.validation, share: options.validation)
    let tested = lines(split.test, share: options.test)
    let vocabulary = Vocabulary(
      charactersOf: trained.map { String(String.UnicodeScalarView($0.scalars)) }.joined(),
      minimumCount: options.minimumCount)
    self.vocabulary = vocabulary
    func sequences(_ lines: [Line]) -> [LabelledSequence] {
      lines.map { line in
        LabelledSequence(
          tokens: vocabulary.tokens(String(String.UnicodeScalarView(line.scalars))),
          labels: line.labels)
      }
    }
    training = sequences(trained)
    validation = sequences(validated)
    test = sequences(tested)
    guard !training.isEmpty else { throw DataError("there are no lines to train on") }
  }
}
