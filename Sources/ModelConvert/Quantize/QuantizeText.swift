import Foundation
import Quantization

/// What `quantize` says.
struct QuantizeResult: Encodable {
  var model: String
  var output: String
  var report: QuantizationReport
  /// Where there were labelled data.
  var accuracy: AccuracyReport?

  func print() {
    let integer = report.integerLayers
    if !integer.isEmpty {
      var table = Table([
        ("layer", .left), ("operator", .left), ("scale", .right), ("zero", .right),
        ("clipped", .right), ("weight scales", .left),
      ])
      for layer in integer {
        table.append(
          printable(layer.name), layer.operator, layer.scale.map { number($0) } ?? "",
          layer.zeroPoint.map(String.init) ?? "",
          layer.clippedShare.map { $0 == 0 ? "0" : "\(decimals(100 * $0, 3)) %" } ?? "",
          scales(layer.weightScales))
      }
      table.print()
    }
    let float = report.floatLayers
    if !float.isEmpty {
      Swift.print("\nin floats")
      var table = Table([
        ("layer", .left), ("operator", .left), ("why", .left), ("weight scales", .left),
      ])
      for layer in float {
        table.append(
          printable(layer.name), layer.operator, layer.reason ?? "", scales(layer.weightScales))
      }
      table.print()
    }
    for (what, ends) in [("input", report.inputs), ("output", report.outputs)] {
      for end in ends {
        Swift.print(
          "\n\(what) \(printable(end.name)): \(end.type), "
            + scaleAndZero(end.scale, end.zeroPoint))
      }
    }
    if let accuracy { print(accuracy) }
    let share = Double(report.int8Bytes) / Double(max(report.floatBytes, 1))
    Swift.print(
      "\n\(output): \(integer.count) of \(report.layers.count) layers in integers, "
        + "\(bytesText(report.int8Bytes)) of \(bytesText(report.floatBytes)) "
        + "(\(decimals(100 * share, 1)) %)"
        + (report.samples > 0 ? ", calibrated on \(report.samples) samples" : ""))
  }

  private func print(_ accuracy: AccuracyReport) {
    func percent(_ share: Double) -> String { "\(decimals(100 * share, 2)) %" }
    Swift.print("\naccuracy on \(accuracy.rows) samples")
    var table = Table([
      ("layers in floats", .left), ("accuracy", .right), ("file", .right),
      ("MACs in floats", .right),
    ])
    table.append("all", percent(accuracy.floatAccuracy), bytesText(report.floatBytes), "100.00 %")
    for trade in accuracy.trades {
      let names = trade.floatLayers.map(printable)
      let shown =
        names.count > 4 ? names.prefix(3).joined(separator: ", ") + " and \(names.count - 3) more"
        : names.isEmpty ? "none" : names.joined(separator: ", ")
      table.append(
        shown, percent(trade.accuracy), bytesText(trade.bytes),
        percent(Double(trade.floatMacs) / Double(max(trade.macs, 1))))
    }
    table.print()
  }

  private func scales(_ limits: [Float]?) -> String {
    guard let limits else { return "" }
    return limits[0] == limits[1]
      ? number(limits[0]) : "\(number(limits[0])) to \(number(limits[1]))"
  }

  private func number(_ value: Float) -> String { String(format: "%.4g", value) }
}
