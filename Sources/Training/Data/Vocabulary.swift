/// The tokens of a character model: Unicode scalars of the text, or bytes.
public struct Vocabulary: Equatable {
  /// What a token stands for.
  public enum Unit: String, CaseIterable {
    /// Each of the 256 bytes of UTF-8: a token's number is the byte. Any text can be written.
    case bytes
    /// The Unicode scalars that occur often enough in the text, in the order of their code points,
    /// after token 0, which stands for all others.
    case characters
  }

  public let unit: Unit
  /// For `characters`: the scalar of token i + 1.
  public let scalars: [Unicode.Scalar]
  private let numbers: [Unicode.Scalar: Int32]

  /// The vocabulary of bytes.
  public static let bytes = Vocabulary(unit: .bytes, scalars: [])

  /// The scalars of a text that occur at least `minimumCount` times.
  public init(charactersOf text: String, minimumCount: Int = 1) {
    var counts: [Unicode.Scalar: Int] = [:]
    for scalar in text.unicodeScalars { counts[scalar, default: 0] += 1 }
    self.init(
      unit: .characters, scalars: counts.filter { $0.value >= minimumCount }.keys.sorted())
  }

  public init(unit: Unit, scalars: [Unicode.Scalar]) {
    self.unit = unit
    self.scalars = scalars
    numbers = Dictionary(
      scalars.enumerated().map { ($1, Int32($0 + 1)) }, uniquingKeysWith: { first, _ in first })
  }

  /// Number of tokens.
  public var count: Int { unit == .bytes ? 256 : scalars.count + 1 }

  /// What each token is written as; "" for the token of all other characters.
  public var names: [String] {
    switch unit {
    case .bytes: (0..<256).map { $0 < 128 ? String(Unicode.Scalar(UInt8($0))) : "\\x\(String($0, radix: 16))" }
    case .characters: [""] + scalars.map { String($0) }
    }
  }

  /// The tokens of a text.
  public func tokens(_ text: String) -> [Int32] {
    switch unit {
    case .bytes: text.utf8.map { Int32($0) }
    case .characters: text.unicodeScalars.map { numbers[$0] ?? 0 }
    }
  }

  /// What a token is written as, in UTF-8; nothing for the token of all other characters.
  public func bytes(_ token: Int) -> [UInt8] {
    switch unit {
    case .bytes: [UInt8(truncatingIfNeeded: token)]
    case .characters: token == 0 ? [] : Array(String(scalars[token - 1]).utf8)
    }
  }
}
