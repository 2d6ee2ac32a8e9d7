import Foundation

/// The receiver operating characteristic as inline SVG: true pairs accepted by false ones accepted, these
/// on a logarithmic scale from 1 in 1,000 on.
struct ROCChart {
  var title: String
  var curve: Verification

  private let width = 590.0
  private let height = 306.0
  private let left = 58.0
  private let right = 16.0
  private let top = 14.0
  private let bottom = 40.0
  private let lowest = 1e-3

  var svg: String {
    func x(_ share: Double) -> Double {
      left + (1 - log10(max(share, lowest)) / log10(lowest)) * (width - left - right)
    }
    func y(_ share: Double) -> Double { height - bottom - share * (height - top - bottom) }
    var out =
      "<svg class=\"chart\" viewBox=\"0 0 \(Int(width)) \(Int(height))\" role=\"img\" "
      + "aria-label=\"\(escape(title))\">"
    for tick in stride(from: 0.0, through: 1, by: 0.2) {
      out += "<line class=\"grid\" x1=\"\(left)\" x2=\"\(width - right)\" y1=\"\(n(y(tick)))\" y2=\"\(n(y(tick)))\"/>"
      out += "<text class=\"tick\" x=\"\(left - 8)\" y=\"\(n(y(tick) + 4))\" text-anchor=\"end\">\(Int((100 * tick).rounded())) %</text>"
    }
    for (tick, text) in [(0.001, "0.1 %"), (0.01, "1 %"), (0.1, "10 %"), (1.0, "100 %")] {
      out += "<line class=\"grid\" x1=\"\(n(x(tick)))\" x2=\"\(n(x(tick)))\" y1=\"\(top)\" y2=\"\(height - bottom)\"/>"
      out += "<text class=\"tick\" x=\"\(n(x(tick)))\" y=\"\(height - 20)\" text-anchor=\"\(tick == 1 ? "end" : "middle")\">\(text)</text>"
    }
    out += "<text class=\"tick\" x=\"\(width - right)\" y=\"\(height - 4)\" text-anchor=\"end\">false pairs accepted</text>"
    // Whoever guesses accepts as many of both.
    let guess = (0...60).map { pow(10, -3 + 3 * Double($0) / 60) }
    out += "<path class=\"best\" fill=\"none\" d=\"\(path(guess.map { (x($0), y($0)) }))\"/>"
    out += "<path class=\"curve training\" d=\"\(path(points.map { (x($0.0), y($0.1)) }))\"/>"
    return out + "</svg>"
  }

  /// Where the curve turns, no closer together than can be seen.
  private var points: [(Double, Double)] {
    var result: [(Double, Double)] = []
    for (a, b) in zip(curve.falseAccepts, curve.trueAccepts) {
      let isLast = a == 1 && b == 1
      if let last = result.last, !isLast, b - last.1 < 0.004, a < max(last.0, lowest) * 1.02 {
        continue
      }
      result.append((a, b))
    }
    return result
  }

  private func path(_ points: [(Double, Double)]) -> String {
    points.enumerated().map { ($0 == 0 ? "M" : "L") + n($1.0) + " " + n($1.1) }.joined()
  }

  private func n(_ value: Double) -> String { String(format: "%.1f", value) }
}
