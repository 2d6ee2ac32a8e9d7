import Foundation
import ModelFormat

extension String {
  /// The bytes of a name; what is not UTF-8 in them is replaced.
  init(_ name: Name) {
    self.init(decoding: UnsafeBufferPointer(start: name.start, count: name.count), as: UTF8.self)
  }

  init(_ message: Message) {
    let storage = message.storage
    var bytes: [UInt8] = []
    for i in 0..<storage.count { bytes.append(storage.bytes[i]) }
    self.init(decoding: bytes, as: UTF8.self)
  }
}

extension Shape {
  var dimensions: [Int] { (0..<rank).map { self[$0] } }
}

/// As `[1, 3, 224, 224]`.
func shapeText(_ dimensions: [Int]) -> String {
  "[" + dimensions.map(String.init).joined(separator: ", ") + "]"
}

/// Bytes with a binary unit, three digits or four: `812 B`, `21.4 KiB`.
func bytesText(_ bytes: Int) -> String {
  scaled(Double(bytes), step: 1024, units: ["B", "KiB", "MiB", "GiB", "TiB"])
}

/// A number of things with a decimal prefix: `950`, `61.7 k`, `1.82 G`.
func countText(_ count: Int) -> String {
  scaled(Double(count), step: 1000, units: ["", "k", "M", "G", "T"])
}

private func scaled(_ value: Double, step: Double, units: [String]) -> String {
  var value = value
  var unit = 0
  while value >= step * 0.9995, unit < units.count - 1 {
    value /= step
    unit += 1
  }
  let number = unit == 0 ? String(Int(value)) : threeDigits(value)
  return units[unit].isEmpty ? number : "\(number) \(units[unit])"
}

/// A time given in nanoseconds: `840 ns`, `12.3 µs`, `4.56 ms`.
func timeText(nanoseconds: Double) -> String {
  switch nanoseconds {
  case ..<1e3: "\(threeDigits(nanoseconds)) ns"
  case ..<1e6: "\(threeDigits(nanoseconds / 1e3)) µs"
  case ..<1e9: "\(threeDigits(nanoseconds / 1e6)) ms"
  default: "\(threeDigits(nanoseconds / 1e9)) s"
  }
}

/// At least three significant digits, without an exponent.
func threeDigits(_ value: Double) -> String {
  let digits = value.magnitude >= 99.95 ? 0 : value.magnitude >= 9.995 ? 1 : 2
  return String(format: "%.\(digits)f", value)
}

/// A computed value, six significant digits.
func valueText(_ value: Double) -> String { String(format: "%.6g", value) }

/// What integers stand for: `scale 0.003921569, zero point 0`.
func scaleAndZero(_ scale: Float, _ zero: Int) -> String { "scale \(scale), zero point \(zero)" }

/// Text for the terminal: control characters, which a name in a file may hold, are shown as `?`.
func printable(_ text: String) -> String {
  String(text.unicodeScalars.map { $0.value < 32 || $0.value == 127 ? "?" : Character($0) })
}

/// A fixed number of decimals.
func decimals(_ value: Double, _ count: Int) -> String { String(format: "%.\(count)f", value) }
