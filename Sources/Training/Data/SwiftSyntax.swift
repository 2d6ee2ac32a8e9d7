/// What each character of a Swift source file is part of: a lexer, whose answers a network learns to
/// give from single lines. Some of them want to be read from both sides: that a name is called stands
/// behind it.
enum SwiftSyntax: Int32, CaseIterable {
  /// Space, punctuation, operators.
  case other
  case comment, string, number, keyword
  /// A name with a capital letter.
  case type
  /// A name with "(" behind it.
  case call
  /// A name with ":" behind it: an argument's, a parameter's.
  case label
  case name

  private static let keywords: Set<String> = [
    "as", "any", "associatedtype", "break", "case", "catch", "class", "continue", "default", "defer",
    "deinit", "do", "else", "enum", "extension", "fallthrough", "false", "fileprivate", "final",
    "for", "func", "get", "guard", "if", "import", "in", "indirect", "init", "inout", "internal",
    "is", "lazy", "let", "mutating", "nil", "open", "operator", "override", "package", "private",
    "protocol", "public", "repeat", "required", "rethrows", "return", "self", "Self", "set", "some",
    "static", "struct", "subscript", "super", "switch", "throw", "throws", "true", "try",
    "typealias", "unowned", "var", "weak", "where", "while",
  ]

  /// One for each scalar.
  static func tags(_ text: [Unicode.Scalar]) -> [SwiftSyntax] {
    var tags = [SwiftSyntax](repeating: .other, count: text.count)
    var at = 0
    func has(_ word: String, _ place: Int) -> Bool {
      let scalars = Array(word.unicodeScalars)
      return place + scalars.count <= text.count
        && (0..<scalars.count).allSatisfy { text[place + $0] == scalars[$0] }
    }
    func take(to end: Int, _ tag: SwiftSyntax) {
      for i in at..<min(end, text.count) { tags[i] = tag }
      at = min(end, text.count)
    }
    while at < text.count {
      let c = text[at]
      if has("//", at) {
        take(to: text[at...].firstIndex(of: "\n") ?? text.count, .comment)
      } else if has("/*", at) {
        var (depth, end) = (1, at + 2)
        while end < text.count && depth > 0 {
          let step = has("/*", end) ? 1 : has("*/", end) ? -1 : 0
          depth += step
          end += step == 0 ? 1 : 2
        }
        take(to: end, .comment)
      } else if c == "\"" {
        take(to: endOfString(text, at, has), .string)
      } else if isDigit(c) {
        var end = at
        while end < text.count,
          isName(text[end]) || text[end] == "." && end + 1 < text.count && isDigit(text[end + 1])
        { end += 1 }
        take(to: end, .number)
      } else if isName(c) {
        var end = at
        while end < text.count, isName(text[end]) { end += 1 }
        let word = String(String.UnicodeScalarView(text[at..<end]))
        let next = end < text.count ? text[end] : " "
        take(
          to: end,
          keywords.contains(word) ? .keyword
            : c.properties.isUppercase ? .type : next == "(" ? .call : next == ":" ? .label : .name)
      } else {
        at += 1
      }
    }
    return tags
  }

  /// Where the string that begins at `start` ends, its interpolations included.
  private static func endOfString(
    _ text: [Unicode.Scalar], _ start: Int, _ has: (String, Int) -> Bool
  ) -> Int {
    let quote = has("\"\"\"", start) ? "\"\"\"" : "\""
    var end = start + quote.count
    var depth = 0
    while end < text.count {
      if has("\\(", end) {
        depth += 1
        end += 2
      } else if text[end] == "\\" {
        end += 2
      } else if depth > 0 {
        if text[end] == "\"" {
          end = endOfString(text, end, has)
        } else {
          depth += text[end] == "(" ? 1 : text[end] == ")" ? -1 : 0
          end += 1
        }
      } else if has(quote, end) {
        return end + quote.count
      } else if quote.count == 1 && text[end] == "\n" {
        return end
      } else {
        end += 1
      }
    }
    return end
  }

  private static func isDigit(_ c: Unicode.Scalar) -> Bool { ("0"..."9").contains(c) }
  private static func isName(_ c: Unicode.Scalar) -> Bool {
    c == "_" || c.properties.isAlphabetic || isDigit(c)
  }
}
