import Foundation
import Quantization

/// What `quantize` says.
struct QuantizeResult: Encodable {
  var model: String
  var output: String
  var report: QuantizationReport

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
          layer.weightScales.map { scales in
            scales[0] == scales[1]
              ? number(scales[0]) : "\(number(scales[0])) to \(number(scales[1]))"
          } ?? "")
      }
      table.print()
    }
    let float = report.floatLayers
    if !float.isEmpty {
      Swift.print("\nleft in floats")
      var table = Table([("layer", .left), ("operator", .left), ("why", .left)])
      for layer in float { table.append(printable(layer.name), layer.operator, layer.reason ?? "") }
      table.print()
    }
    let share = Double(report.int8Bytes) / Double(max(report.floatBytes, 1))
    Swift.print(
      "\n\(output): \(integer.count) of \(report.layers.count) layers in integers, "
        + "\(bytesText(report.int8Bytes)) of \(bytesText(report.floatBytes)) "
        + "(\(decimals(100 * share, 1)) %), calibrated on \(report.samples) samples")
  }

  private func number(_ value: Float) -> String { String(format: "%.4g", value) }
}
