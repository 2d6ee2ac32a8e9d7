import Foundation

/// A picture once for each word that was said of it, dark where the network did not look.
struct AttentionStrip {
  private let image: Image
  private let name: String
  private let words: [String]
  private let weights: [[Float]]

  /// - Parameters:
  ///   - name: of the picture, its own on the page.
  ///   - weights: for each word the shares of the places of a square map, row by row.
  init(_ image: Image, name: String, words: [String], weights: [[Float]]) {
    self.image = image
    self.name = name
    self.words = words
    self.weights = weights
  }

  /// Pixels of a picture on the page, either way, and of the way from one to the next.
  private static let side = 96.0
  private static let step = (x: 104.0, y: 122.0)
  private static let columns = 7

  var svg: String {
    guard let png = try? image.png() else { return "" }
    let count = words.count + 1
    let columns = min(count, AttentionStrip.columns)
    let rows = (count + columns - 1) / columns
    let (width, height) = (
      Double(columns) * AttentionStrip.step.x, Double(rows) * AttentionStrip.step.y
    )
    let side = f(AttentionStrip.side)
    var out =
      "<svg viewBox=\"0 0 \(f(width)) \(f(height))\" width=\"\(Int(width))\" role=\"img\" "
      + "aria-label=\"\(escape(words.joined(separator: " ")))\"><defs>"
      + "<image id=\"\(name)\" width=\"\(side)\" height=\"\(side)\" "
      + "style=\"image-rendering:pixelated\" "
      + "href=\"data:image/png;base64,\(Data(png).base64EncodedString())\"/></defs>"
    for i in 0..<count {
      let (x, y) = (
        Double(i % columns) * AttentionStrip.step.x, Double(i / columns) * AttentionStrip.step.y
      )
      out += "<g transform=\"translate(\(f(x)) \(f(y)))\"><use href=\"#\(name)\"/>"
      if i > 0 {
        out += shade(weights[i - 1])
        out +=
          "<text class=\"name\" x=\"\(f(AttentionStrip.side / 2))\" "
          + "y=\"\(f(AttentionStrip.side + 15))\" text-anchor=\"middle\">\(escape(words[i - 1]))</text>"
      }
      out += "</g>"
    }
    return out + "</svg>"
  }

  /// The place that is looked at most is clear.
  private func shade(_ weights: [Float]) -> String {
    let n = Int(Double(weights.count).squareRoot().rounded())
    let most = max(weights.max() ?? 0, .leastNormalMagnitude)
    let cell = AttentionStrip.side / Double(max(n, 1))
    return weights.enumerated().map { i, weight in
      let opacity = String(format: "%.2f", 0.8 * (1 - weight / most))
      return
        "<rect x=\"\(f(Double(i % n) * cell))\" y=\"\(f(Double(i / n) * cell))\" "
        + "width=\"\(f(cell))\" height=\"\(f(cell))\" style=\"fill:#000;fill-opacity:\(opacity)\"/>"
    }.joined()
  }

  private func f(_ value: Double) -> String { String(format: "%.1f", value) }
}
