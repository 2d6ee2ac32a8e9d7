import Foundation

/// A story with questions, line by line, as bAbI's files tell it (J. Weston et al., "Towards
/// AI-complete question answering: a set of prerequisite toy tasks", 2015):
///
///     1 Mary moved to the bathroom.
///     2 John went to the hallway.
///     3 Where is Mary? ⇥bathroom⇥1
///
/// A line numbered 1 begins a story. A question has its answer behind a tab (several words with commas
/// between), and behind another the numbers of the lines that it follows from.
public struct QuestionStory: Equatable {
  public struct Line: Equatable {
    public var text: String
    /// Words, in their order; empty: this is no question.
    public var answer: [String] = []
    /// Numbers of lines.
    public var facts: [Int] = []
  }

  public var lines: [Line] = []

  // MARK: The file

  /// - Parameter file: what errors call it.
  public static func read(_ text: String, file: String) throws -> [QuestionStory] {
    var stories: [QuestionStory] = []
    var before = 0
    for (i, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
      .enumerated()
    {
      let line = line.trimmingCharacters(in: .whitespaces)
      if line.isEmpty { continue }
      func wrong(_ message: String) -> DataError { DataError("\(file):\(i + 1): \(message)") }
      let digits = line.prefix { $0.isASCII && $0.isNumber }
      guard let number = Int(digits), line.dropFirst(digits.count).first == " " else {
        throw wrong("a line begins with its number and a space: '1 Mary moved to the bathroom.'")
      }
      guard number == 1 || number == before + 1 else {
        throw wrong("line \(number) of a story follows line \(before); a story begins with line 1")
      }
      if number == 1 { stories.append(QuestionStory()) }
      do {
        stories[stories.count - 1].lines.append(try Line(line.dropFirst(digits.count), number))
      } catch let error as DataError {
        throw wrong("\(error)")
      }
      before = number
    }
    guard stories.contains(where: { $0.lines.contains { !$0.answer.isEmpty } }) else {
      throw DataError(
        "\(file): there is no question: a line with a tab between the question and its answer")
    }
    return stories
  }

  /// The lines as they stand in a file, each with a line break.
  public var text: String {
    lines.enumerated().map { i, line in
      if line.answer.isEmpty { return "\(i + 1) \(line.text)\n" }
      let facts = line.facts.map(String.init).joined(separator: " ")
      return "\(i + 1) \(line.text) \t\(line.answer.joined(separator: ","))\t\(facts)\n"
    }.joined()
  }

  // MARK: Words

  /// What a machine is shown in a step, and what it is to say there.
  struct Step: Equatable {
    var word: String
    var answer: String?
    /// Whether the answer is over.
    var isLast = false
  }

  /// Stands for a word of the answer where a machine is to say one.
  static let request = "-"

  /// The words one by one, small, with marks as words; behind a question a request for each word of its
  /// answer (A. Graves et al. 2016, Methods, bAbI task descriptions).
  var steps: [Step] {
    lines.flatMap { line in
      QuestionStory.words(line.text).map { Step(word: $0) }
        + line.answer.enumerated().map { i, word in
          Step(
            word: QuestionStory.request, answer: word.lowercased(),
            isLast: i == line.answer.count - 1)
        }
    }
  }

  static func words(_ text: String) -> [String] {
    var words: [String] = []
    for part in text.lowercased().split(whereSeparator: \.isWhitespace) {
      let word = part.prefix { !".?!,".contains($0) }
      if !word.isEmpty { words.append(String(word)) }
      words += part.dropFirst(word.count).map { String($0) }
    }
    return words
  }
}

extension QuestionStory.Line {
  /// - Parameter rest: of the line, behind its number.
  init(_ rest: Substring, _ number: Int) throws {
    let columns = rest.split(separator: "\t", omittingEmptySubsequences: false)
      .map { $0.trimmingCharacters(in: .whitespaces) }
    text = columns[0]
    guard !text.isEmpty else { throw DataError("there is nothing behind the number") }
    if columns.count == 1 { return }
    answer = columns[1].split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    guard !answer.isEmpty, !answer.contains("") else {
      throw DataError("behind the question's tab stands no answer")
    }
    if columns.count == 2 { return }
    facts = try columns[2].split(separator: " ").map {
      guard let fact = Int($0), fact >= 1, fact < number else {
        throw DataError("'\($0)' is no line of the story before the question")
      }
      return fact
    }
  }
}
