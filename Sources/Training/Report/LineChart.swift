import Foundation

/// Curves over epochs as inline SVG. Colours come from the page's style, so that they follow light
/// and dark.
struct LineChart {
  struct Series {
    var name: String
    /// The class that gives the colour: "training", "validation", "rate".
    var style: String
    /// One value an epoch; nil where there is none.
    var values: [Double?]
  }

  var title: String
  var series: [Series]
  /// Marked by a line from top to bottom.
  var bestEpoch: Int?
  var format: (Double) -> String

  private let width = 590.0
  private let height = 306.0
  private let left = 58.0
  private let right = 16.0
  private let top = 14.0
  private let bottom = 40.0

  var svg: String {
    let points = series.flatMap { $0.values.compactMap { $0 } }.filter(\.isFinite)
    guard let low = points.min(), let high = points.max() else { return "" }
    let epochs = series.map(\.values.count).max() ?? 1
    let isLog = low > 0 && high / low > 30
    let ticks = isLog ? LineChart.logTicks(low, high) : LineChart.ticks(low, high)
    let range = (min(low, ticks.first ?? low), max(high, ticks.last ?? high))
    func scale(_ value: Double) -> Double { isLog ? log(value) : value }
    func y(_ value: Double) -> Double {
      let span = scale(range.1) - scale(range.0)
      let share = span > 0 ? (scale(value) - scale(range.0)) / span : 0.5
      return height - bottom - share * (height - top - bottom)
    }
    func x(_ epoch: Int) -> Double {
      left + (epochs > 1 ? Double(epoch) / Double(epochs - 1) : 0.5) * (width - left - right)
    }
    var out =
      "<svg class=\"chart\" viewBox=\"0 0 \(Int(width)) \(Int(height))\" role=\"img\" "
      + "aria-label=\"\(escape(title))\">"
    for tick in ticks where tick >= range.0 && tick <= range.1 {
      out += "<line class=\"grid\" x1=\"\(left)\" x2=\"\(width - right)\" y1=\"\(n(y(tick)))\" y2=\"\(n(y(tick)))\"/>"
      out += "<text class=\"tick\" x=\"\(left - 8)\" y=\"\(n(y(tick) + 4))\" text-anchor=\"end\">\(escape(format(tick)))</text>"
    }
    for tick in LineChart.epochTicks(epochs) {
      out += "<text class=\"tick\" x=\"\(n(x(tick - 1)))\" y=\"\(height - 20)\" text-anchor=\"middle\">\(tick)</text>"
    }
    out += "<text class=\"tick\" x=\"\(width - right)\" y=\"\(height - 4)\" text-anchor=\"end\">epoch\(isLog ? " · logarithmic scale" : "")</text>"
    if let bestEpoch, epochs > 1 {
      let at = n(x(bestEpoch))
      out += "<line class=\"best\" x1=\"\(at)\" x2=\"\(at)\" y1=\"\(top)\" y2=\"\(height - bottom)\"><title>best epoch: \(bestEpoch + 1)</title></line>"
    }
    for series in series {
      var path = ""
      var isDrawing = false
      for (epoch, value) in series.values.enumerated() {
        guard let value, value.isFinite else {
          isDrawing = false
          continue
        }
        path += "\(isDrawing ? "L" : "M")\(n(x(epoch))) \(n(y(value)))"
        isDrawing = true
      }
      out += "<path class=\"curve \(series.style)\" d=\"\(path)\"/>"
      // Points: small ones to see where a curve is short, wide unseen ones to point at.
      for (epoch, value) in series.values.enumerated() {
        guard let value, value.isFinite else { continue }
        let place = "cx=\"\(n(x(epoch)))\" cy=\"\(n(y(value)))\""
        if epochs <= 40 || epoch == bestEpoch {
          out += "<circle class=\"point \(series.style)\" \(place) r=\"\(epoch == bestEpoch ? 4 : 2)\"/>"
        }
        if epochs <= 400 {
          out += "<circle class=\"target\" \(place) r=\"7\"><title>epoch \(epoch + 1), \(escape(series.name)): \(escape(format(value)))</title></circle>"
        }
      }
    }
    return out + "</svg>"
  }

  var legend: String {
    series.count < 2
      ? ""
      : series.map { "<span class=\"key \($0.style)\">\(escape($0.name))</span>" }.joined()
  }

  private func n(_ value: Double) -> String { String(format: "%.1f", value) }

  /// Four to seven round numbers around a range.
  static func ticks(_ low: Double, _ high: Double) -> [Double] {
    guard high > low else { return [low] }
    let rough = (high - low) / 5
    let power = pow(10, floor(log10(rough)))
    let step = [1, 2, 2.5, 5, 10].map { $0 * power }.first { $0 >= rough * 0.999 } ?? rough
    let first = (low / step).rounded(.down)
    let last = (high / step).rounded(.up)
    return stride(from: first, through: last, by: 1).map { $0 * step }
  }

  /// 1, 2 and 5 times the powers of ten; over many decades the powers alone.
  static func logTicks(_ low: Double, _ high: Double) -> [Double] {
    let first = Int(floor(log10(low)))
    let last = Int(ceil(log10(high)))
    let steps = last - first > 3 ? [1.0] : [1.0, 2, 5]
    let all = (first...last).flatMap { power in steps.map { $0 * pow(10, Double(power)) } }
    let below = all.last { $0 <= low } ?? low
    let above = all.first { $0 >= high } ?? high
    return all.filter { $0 >= below && $0 <= above }
  }

  static func epochTicks(_ epochs: Int) -> [Int] {
    guard epochs > 10 else { return Array(1...max(1, epochs)) }
    let steps = [2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1_000, 10_000, 100_000]
    let step = steps.first { epochs / $0 <= 10 } ?? epochs
    return [1] + stride(from: step, through: epochs, by: step)
  }
}

/// Text as it may stand in HTML.
func escape(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\"": result += "&quot;"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}
