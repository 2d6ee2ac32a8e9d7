import Foundation

/// What the classes of a classifier are called: the metadata entry "labels", one a line (or separated
/// by commas, or a JSON array of strings).
struct Labels {
  let names: [String]

  init?(_ opened: OpenedModel) {
    guard let text = opened.metadata("labels") else { return nil }
    if text.hasPrefix("["), let list = try? JSONDecoder().decode([String].self, from: Data(text.utf8)) {
      names = list
    } else {
      let separator: Character = text.contains("\n") ? "\n" : ","
      names = text.split(separator: separator).map { $0.trimmingCharacters(in: .whitespaces) }
    }
    if names.isEmpty { return nil }
  }

  /// Whether the last dimension holds one value for each class.
  func fit(_ shape: [Int]) -> Bool { shape.last == names.count }

  /// The `count` classes with the largest values; equal ones in the order of the classes.
  func top(_ count: Int, _ values: ArraySlice<Double>) -> [Prediction.Class] {
    zip(names, values).enumerated()
      .sorted { ($1.element.1, $0.offset) < ($0.element.1, $1.offset) }
      .prefix(count)
      .map { Prediction.Class(label: $0.element.0, index: $0.offset, value: $0.element.1) }
  }
}

/// The best classes for one row of a batch.
struct Prediction: Encodable {
  struct Class: Encodable {
    var label: String
    var index: Int
    var value: Double
  }

  var row: Int
  var top: [Class]
}
