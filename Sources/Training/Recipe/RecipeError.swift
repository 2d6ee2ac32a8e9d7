/// What is wrong with a recipe: "recipes/lenet5.yaml:12: unknown key 'epoch'; did you mean 'epochs'?"
public struct RecipeError: Error, CustomStringConvertible, Equatable {
  public let file: String
  /// From 1 on; nil where the whole file is meant.
  public let line: Int?
  public let message: String

  public init(file: String, line: Int?, _ message: String) {
    self.file = file
    self.line = line
    self.message = message
  }

  public var description: String {
    line.map { "\(file):\($0): \(message)" } ?? "\(file): \(message)"
  }
}

/// The candidate that somebody who wrote `word` probably meant; nil where none is near.
///
/// Near: at most a third of the letters to insert, delete, replace or swap with their neighbour
/// (the restricted Damerau–Levenshtein distance).
public func suggestion(for word: String, among candidates: [String]) -> String? {
  let nearest = candidates.map { ($0, distance(word, $0)) }.min { $0.1 < $1.1 }
  guard let (candidate, distance) = nearest, distance <= max(1, max(word.count, candidate.count) / 3)
  else { return nil }
  return candidate
}

private func distance(_ a: String, _ b: String) -> Int {
  let (a, b) = (Array(a.lowercased()), Array(b.lowercased()))
  guard !a.isEmpty, !b.isEmpty, a.count < 100, b.count < 100 else { return max(a.count, b.count) }
  var table = [[Int]](repeating: [Int](repeating: 0, count: b.count + 1), count: a.count + 1)
  for i in 0...a.count { table[i][0] = i }
  for j in 0...b.count { table[0][j] = j }
  for i in 1...a.count {
    for j in 1...b.count {
      table[i][j] = min(
        table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
      if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
        table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
      }
    }
  }
  return table[a.count][b.count]
}

/// "'a', 'b' or 'c'".
func alternatives(_ words: [String]) -> String {
  let quoted = words.map { "'\($0)'" }
  return quoted.count < 2
    ? quoted.joined() : quoted.dropLast().joined(separator: ", ") + " or " + quoted.last!
}
