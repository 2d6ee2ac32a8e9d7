/// A table of text for people: columns as wide as they need to be.
struct Table {
  enum Alignment { case left, right }

  private let titles: [String]
  private let alignments: [Alignment]
  private var rows: [[String]] = []

  init(_ columns: [(title: String, alignment: Alignment)]) {
    titles = columns.map(\.title)
    alignments = columns.map(\.alignment)
  }

  mutating func append(_ row: String...) { rows.append(row) }
  mutating func append(_ row: [String]) { rows.append(row) }
  /// A line between the rows before and after it.
  mutating func appendRule() { rows.append([]) }

  /// Lines without trailing blanks, each indented by two.
  var lines: [String] {
    var widths = titles.map(\.count)
    for row in rows {
      for (i, cell) in row.enumerated() { widths[i] = max(widths[i], cell.count) }
    }
    let rule = trimmed(
      "  " + widths.map { String(repeating: "-", count: $0) }.joined(separator: "  "))
    var result: [String] = []
    if titles.contains(where: { !$0.isEmpty }) { result = [line(titles, widths), rule] }
    for row in rows { result.append(row.isEmpty ? rule : line(row, widths)) }
    return result
  }

  private func line(_ cells: [String], _ widths: [Int]) -> String {
    var text = " "
    for (i, cell) in cells.enumerated() {
      let blank = String(repeating: " ", count: widths[i] - cell.count)
      text += " " + (alignments[i] == .left ? cell + blank : blank + cell)
      if i < cells.count - 1 { text += " " }
    }
    return trimmed(text)
  }

  private func trimmed(_ line: String) -> String {
    var text = line
    while text.last == " " { text.removeLast() }
    return text
  }

  func print() {
    for line in lines { Swift.print(line) }
  }
}
