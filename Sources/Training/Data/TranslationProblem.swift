import Foundation

/// Pairs of texts to learn translating from: made-up ones without end, or those of a file.
public enum TranslationProblem {
  /// Dates as people write them, to ISO 8601: "Thursday, the 4th of July 1776" to "1776-07-04".
  case dates
  /// Numbers below a million in English words: "1,204" to "one thousand two hundred and four".
  case numbers
  /// Pairs of a file, source and target in columns with a tab between.
  case pairs([(source: String, target: String)])

  /// What can be asked for: days, numbers, lines. Each belongs to one part, training or test.
  var count: Int {
    switch self {
    case .dates: 73_049  // 1900 to 2099
    case .numbers: 1_000_000
    case .pairs(let pairs): pairs.count
    }
  }

  /// All characters of sources and of targets.
  func characters() -> (source: String, target: String) {
    switch self {
    case .dates:
      var text = ""
      for i in 0..<400 {
        for form in 0..<TranslationProblem.dateForms {
          text += TranslationProblem.date(i * 181, form: form).source
        }
      }
      return (text, "0123456789-")
    case .numbers:
      return (
        "0123456789,", (0..<1_000).map(TranslationProblem.words).joined() + " thousand"
      )
    case .pairs(let pairs):
      return (pairs.map(\.source).joined(), pairs.map(\.target).joined())
    }
  }

  /// Pair `number`, in one of the ways to write it.
  func pair(_ number: Int, _ random: inout SeededRandom) -> (source: String, target: String) {
    switch self {
    case .dates:
      return TranslationProblem.date(
        number, form: random.integer(below: TranslationProblem.dateForms))
    case .numbers:
      // All lengths alike, not nearly all with six digits.
      let groups = random.integer(below: 2) == 0 && number >= 1_000
      let digits = groups ? "\(number / 1_000)," + String(format: "%03d", number % 1_000) : "\(number)"
      return (digits, TranslationProblem.words(number))
    case .pairs(let pairs): return pairs[number]
    }
  }

  /// Reads a file of pairs.
  static func read(_ path: String) throws -> TranslationProblem {
    guard let text = String(validating: try dataBytes(path), as: UTF8.self) else {
      throw DataError("\(path): not a text in UTF-8")
    }
    var pairs: [(source: String, target: String)] = []
    for (i, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      if line.isEmpty { continue }
      let columns = line.split(separator: "\t", omittingEmptySubsequences: false)
      guard columns.count >= 2, !columns[0].isEmpty else {
        throw DataError("\(path):\(i + 1): a source and a target with a tab between are wanted")
      }
      pairs.append((String(columns[0]), String(columns[1])))
    }
    guard pairs.count > 1 else { throw DataError("\(path): it has fewer than two pairs") }
    return .pairs(pairs)
  }

  // MARK: Dates

  static let dateForms = 7

  private static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
  ]
  private static let days = [
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
  ]

  /// Day `number` from 1 January 1900 on, a Monday.
  static func date(_ number: Int, form: Int) -> (source: String, target: String) {
    let (year, month, day) = civil(number)
    let (name, weekday) = (months[month - 1], days[number % 7])
    let source =
      switch form {
      case 0: "\(day) \(name) \(year)"
      case 1: "\(name) \(day), \(year)"
      case 2: "\(weekday.prefix(3)) \(day) \(name.prefix(3)) \(year)"
      case 3: "\(day).\(month).\(year)"
      case 4: "\(month)/\(day)/\(year)"
      case 5: "\(weekday), \(name) \(day), \(year)"
      default: "the \(ordinal(day)) of \(name) \(year)"
      }
    return (source, String(format: "%04d-%02d-%02d", year, month, day))
  }

  /// The Gregorian calendar's date.
  private static func civil(_ number: Int) -> (year: Int, month: Int, day: Int) {
    var (year, left) = (1900, number)
    func isLeap(_ y: Int) -> Bool { y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) }
    while left >= (isLeap(year) ? 366 : 365) {
      left -= isLeap(year) ? 366 : 365
      year += 1
    }
    let lengths = [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    var month = 0
    while left >= lengths[month] {
      left -= lengths[month]
      month += 1
    }
    return (year, month + 1, left + 1)
  }

  private static func ordinal(_ n: Int) -> String {
    let ending =
      n / 10 == 1 ? "th" : n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th"
    return "\(n)\(ending)"
  }

  // MARK: Numbers

  private static let small = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
  ]
  private static let tens = [
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
  ]

  /// A number below a million.
  static func words(_ n: Int) -> String {
    if n < 20 { return small[n] }
    if n < 100 { return tens[n / 10] + (n % 10 == 0 ? "" : "-" + small[n % 10]) }
    if n < 1_000 {
      return small[n / 100] + " hundred" + (n % 100 == 0 ? "" : " and " + words(n % 100))
    }
    let rest = n % 1_000
    return words(n / 1_000) + " thousand"
      + (rest == 0 ? "" : rest < 100 ? " and " + words(rest) : " " + words(rest))
  }
}
