import Foundation

/// Which classes are taken for which, as inline SVG and as a table of precision and recall.
struct ConfusionMatrix {
  /// `counts[target][prediction]`.
  var counts: [[Int]]
  var names: [String]

  var svg: String {
    let n = counts.count
    guard n > 0 else { return "" }
    let longest = names.map(\.count).max() ?? 1
    let left = min(150.0, 30 + 7.2 * Double(longest))
    let cell = max(4, min(52, (590 - left - 8) / Double(n)))
    // Names above the columns stand upright where they would run into each other.
    let isUpright = 7.2 * Double(longest) > cell - 4
    let top = isUpright ? min(130.0, 30 + 7.2 * Double(longest)) : 44.0
    let (width, height) = (left + cell * Double(n) + 8, top + cell * Double(n) + 8)
    let hasNumbers = cell >= 18
    let hasNames = cell >= 11
    var out =
      "<svg class=\"matrix\" viewBox=\"0 0 \(Int(width)) \(Int(height))\" width=\"\(Int(width))\" "
      + "role=\"img\" aria-label=\"Confusion matrix\">"
    out += "<text class=\"tick\" x=\"\(f(left + cell * Double(n) / 2))\" y=\"14\" text-anchor=\"middle\">predicted</text>"
    out += "<text class=\"tick\" transform=\"translate(12 \(f(top + cell * Double(n) / 2))) rotate(-90)\" text-anchor=\"middle\">target</text>"
    for i in 0..<n {
      let middle = (Double(i) + 0.5) * cell
      if hasNames {
        let name = escape(short(names[i]))
        out +=
          isUpright
          ? "<text class=\"name\" transform=\"translate(\(f(left + middle + 4)) \(f(top - 6))) rotate(-90)\">\(name)</text>"
          : "<text class=\"name\" x=\"\(f(left + middle))\" y=\"\(f(top - 8))\" text-anchor=\"middle\">\(name)</text>"
        out += "<text class=\"name\" x=\"\(f(left - 8))\" y=\"\(f(top + middle + 4))\" text-anchor=\"end\">\(name)</text>"
      }
      let total = counts[i].reduce(0, +)
      for j in 0..<n {
        let count = counts[i][j]
        let share = total > 0 ? Double(count) / Double(total) : 0
        let (x, y) = (left + Double(j) * cell, top + Double(i) * cell)
        let kind = count == 0 ? "none" : i == j ? "right" : "wrong"
        // Errors are few: the root makes them seen.
        let opacity = i == j ? share : min(1, 0.25 + share.squareRoot())
        let title = "\(escape(names[i])) taken for \(escape(names[j])): \(count) of \(total)"
        out += "<g><rect class=\"\(kind)\" x=\"\(f(x + 0.5))\" y=\"\(f(y + 0.5))\" width=\"\(f(cell - 1))\" height=\"\(f(cell - 1))\" rx=\"\(cell > 20 ? 3 : 1)\""
        out += count > 0 ? " style=\"fill-opacity:\(String(format: "%.2f", opacity))\"/>" : "/>"
        if hasNumbers && count > 0 {
          let size = min(13, cell / (1.2 + 0.5 * Double(String(count).count)) + 2)
          out += "<text class=\"count\(opacity > 0.6 ? " strong" : "")\" style=\"font-size:\(f(size))px\" x=\"\(f(x + cell / 2))\" y=\"\(f(y + cell / 2 + size * 0.36))\" text-anchor=\"middle\">\(count)</text>"
        }
        out += "<title>\(title)</title></g>"
      }
    }
    return out + "</svg>"
  }

  /// Precision, recall and F1 of each class.
  var table: String {
    var rows = ""
    for i in counts.indices {
      let right = Double(counts[i][i])
      let targets = counts[i].reduce(0, +)
      let predictions = counts.reduce(0) { $0 + $1[i] }
      let recall = targets > 0 ? right / Double(targets) : nil
      let precision = predictions > 0 ? right / Double(predictions) : nil
      let f1: Double? = targets + predictions > 0 ? 2 * right / Double(targets + predictions) : nil
      rows +=
        "<tr><td>\(escape(names[i]))</td><td class=\"n\">\(targets)</td>"
        + [precision, recall, f1].map { "<td class=\"n\">\(percent($0))</td>" }.joined() + "</tr>"
    }
    return "<div class=\"scroll\"><table><thead><tr><th>Class</th><th class=\"n\">Samples</th>"
      + "<th class=\"n\">Precision</th><th class=\"n\">Recall</th><th class=\"n\">F1</th></tr></thead>"
      + "<tbody>\(rows)</tbody></table></div>"
  }

  private func percent(_ value: Double?) -> String {
    value.map { String(format: "%.1f %%", 100 * $0) } ?? "–"
  }

  private func short(_ name: String) -> String {
    name.count > 16 ? name.prefix(15) + "…" : name
  }

  private func f(_ value: Double) -> String { String(format: "%.1f", value) }
}
