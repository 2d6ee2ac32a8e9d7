import Foundation

/// Prints one JSON object: keys in snake_case and in alphabetical order, so that two runs compare.
func printJSON(_ value: some Encodable) throws {
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  print(String(decoding: try encoder.encode(value), as: UTF8.self))
}

/// JSON has neither infinity nor NaN: they become null.
func finite(_ value: Double) -> Double? { value.isFinite ? value : nil }
