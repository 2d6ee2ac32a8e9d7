import Foundation
import Yams

/// A mapping of a recipe. Every question names the key, its type and what values are allowed; every
/// error names the line.
public struct RecipeSection {
  let file: String
  /// What errors call it: "optimizer"; "" for the recipe itself.
  let name: String
  let line: Int
  private let entries: [(key: String, keyLine: Int, value: Node)]

  init(_ node: Node, file: String, name: String) throws {
    self.file = file
    self.name = name
    line = node.mark?.line ?? 1
    guard let mapping = node.mapping else {
      throw RecipeError(
        file: file, line: line,
        name.isEmpty
          ? "a recipe is made of lines 'key: value'"
          : "'\(name)' must have keys of its own, and is \(RecipeSection.kind(node))")
    }
    entries = try mapping.map { key, value in
      guard let text = key.scalar?.string else {
        throw RecipeError(file: file, line: key.mark?.line, "a key must be a word")
      }
      return (text, key.mark?.line ?? 1, value)
    }
  }

  /// A section without keys: where one was left out.
  init(emptyIn file: String, name: String, line: Int) {
    self.file = file
    self.name = name
    self.line = line
    entries = []
  }

  /// Parses a file's text.
  init(yaml: String, file: String) throws {
    let node: Node?
    do {
      node = try Yams.compose(yaml: yaml)
    } catch let error as YamlError {
      throw RecipeSection.error(error, file: file)
    } catch {
      throw RecipeError(file: file, line: nil, "\(error)")
    }
    guard let node else { throw RecipeError(file: file, line: nil, "the recipe is empty") }
    try self.init(node, file: file, name: "")
  }

  var keys: [String] { entries.map(\.key) }

  func has(_ key: String) -> Bool { entries.contains { $0.key == key } }

  /// Refuses any key that is not one of these.
  func allow(_ keys: [String]) throws {
    for entry in entries where !keys.contains(entry.key) {
      let place = name.isEmpty ? "" : " in '\(name)'"
      let hint =
        suggestion(for: entry.key, among: keys).map { "did you mean '\($0)'?" }
        ?? (keys.isEmpty ? "it takes none" : "the keys are \(keys.joined(separator: ", "))")
      throw RecipeError(
        file: file, line: entry.keyLine, "unknown key '\(entry.key)'\(place); \(hint)")
    }
  }

  /// An error at a key's line, or at the section's.
  func error(_ key: String?, _ message: String) -> RecipeError {
    let entry = entries.first { $0.key == key }
    return RecipeError(file: file, line: entry?.keyLine ?? line, message)
  }

  func missing(_ key: String) -> RecipeError {
    error(nil, name.isEmpty ? "the key '\(key)' is missing" : "'\(name)' lacks the key '\(key)'")
  }

  /// The value, or the error that the key is missing.
  func required<T>(_ key: String, _ value: T?) throws -> T {
    guard let value else { throw missing(key) }
    return value
  }

  // MARK: Values

  func string(_ key: String) throws -> String? {
    guard let node = node(key) else { return nil }
    guard let scalar = node.scalar, !scalar.string.isEmpty else {
      throw wrong(key, node, "a text")
    }
    return scalar.string
  }

  /// - Parameter wanted: In words, what `isAllowed` allows.
  func number(
    _ key: String, _ wanted: String = "a number", _ isAllowed: (Double) -> Bool = { _ in true }
  ) throws -> Double? {
    guard let node = node(key) else { return nil }
    guard let value = RecipeSection.number(node), isAllowed(value) else {
      throw wrong(key, node, wanted)
    }
    return value
  }

  func integer(_ key: String, _ range: ClosedRange<Int> = 1...Int(Int32.max)) throws -> Int? {
    guard let node = node(key) else { return nil }
    guard let value = RecipeSection.number(node).flatMap(Int.init(exactly:)), range.contains(value)
    else {
      throw wrong(
        key, node,
        range.upperBound == Int(Int32.max)
          ? "a whole number from \(range.lowerBound) on"
          : "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  func bool(_ key: String) throws -> Bool? {
    guard let node = node(key) else { return nil }
    switch node.scalar?.string {
    case "true", "yes", "on": return true
    case "false", "no", "off": return false
    default: throw wrong(key, node, "true or false")
    }
  }

  func choice(_ key: String, _ choices: [String]) throws -> String? {
    guard let text = try string(key) else { return nil }
    guard choices.contains(text) else {
      let hint =
        suggestion(for: text, among: choices).map { "did you mean '\($0)'?" }
        ?? "it must be \(alternatives(choices))"
      throw error(key, "\(path(key)): there is no '\(text)'; \(hint)")
    }
    return text
  }

  func choice<T: RawRepresentable & CaseIterable>(_ key: String, _: T.Type) throws -> T?
  where T.RawValue == String {
    try choice(key, T.allCases.map(\.rawValue)).flatMap(T.init(rawValue:))
  }

  /// A list of numbers, or one number.
  func numbers(_ key: String) throws -> [Double]? {
    guard let node = node(key) else { return nil }
    let nodes = node.sequence.map(Array.init) ?? [node]
    let values = nodes.compactMap(RecipeSection.number)
    guard values.count == nodes.count, !values.isEmpty else { throw wrong(key, node, "numbers") }
    return values
  }

  func integers(
    _ key: String, count: ClosedRange<Int> = 1...8, _ range: ClosedRange<Int> = 1...1 << 24
  ) throws -> [Int]? {
    guard let node = node(key) else { return nil }
    let nodes = node.sequence.map(Array.init) ?? [node]
    let values = nodes.compactMap { RecipeSection.number($0).flatMap(Int.init(exactly:)) }
    guard values.count == nodes.count, count.contains(values.count),
      values.allSatisfy(range.contains)
    else {
      let many = count.lowerBound == count.upperBound ? "\(count.lowerBound) whole" : "whole"
      throw wrong(key, node, "a list of \(many) numbers from \(range.lowerBound) on")
    }
    return values
  }

  /// Two whole numbers, the least and the most, or one that is both.
  func range(_ key: String, _ limits: ClosedRange<Int>) throws -> ClosedRange<Int>? {
    guard let values = try integers(key, count: 1...2, limits) else { return nil }
    guard values[0] <= values[values.count - 1] else {
      throw error(key, "\(path(key)): the first number is the least, the second the most")
    }
    return values[0]...values[values.count - 1]
  }

  /// A list of texts, or one text.
  func strings(_ key: String) throws -> [String]? {
    guard let node = node(key) else { return nil }
    let nodes = node.sequence.map(Array.init) ?? [node]
    let values = nodes.compactMap { $0.scalar?.string }
    guard values.count == nodes.count, !values.contains("") else { throw wrong(key, node, "texts") }
    return values
  }

  func section(_ key: String) throws -> RecipeSection? {
    try node(key).map { try RecipeSection($0, file: file, name: path(key)) }
  }

  /// A section, or `name` alone where a single word stands for it: `schedule: cosine`.
  func namedSection(_ key: String) throws -> (name: String, section: RecipeSection)? {
    guard let node = node(key) else { return nil }
    let keyLine = entries.first { $0.key == key }!.keyLine
    if let word = node.scalar?.string, !word.isEmpty {
      return (word, RecipeSection(emptyIn: file, name: path(key), line: keyLine))
    }
    let section = try RecipeSection(node, file: file, name: path(key))
    return (try section.required("name", section.string("name")), section)
  }

  /// A list's elements.
  func list(_ key: String) throws -> [Node]? {
    guard let node = node(key) else { return nil }
    guard let sequence = node.sequence else { throw wrong(key, node, "a list") }
    return Array(sequence)
  }

  /// A path, relative to the recipe's folder.
  func resolve(_ path: String) -> String {
    let folder = (file as NSString).deletingLastPathComponent
    return path.hasPrefix("/") || folder.isEmpty ? path : folder + "/" + path
  }

  // MARK: Nodes

  private func node(_ key: String) -> Node? { entries.first { $0.key == key }?.value }

  func path(_ key: String) -> String { name.isEmpty ? key : "\(name).\(key)" }

  private func wrong(_ key: String, _ node: Node, _ wanted: String) -> RecipeError {
    error(key, "\(path(key)) must be \(wanted), and is \(RecipeSection.kind(node))")
  }

  static func number(_ node: Node) -> Double? {
    guard let scalar = node.scalar, scalar.style == .plain || scalar.style == .any,
      let value = Double(scalar.string), value.isFinite
    else { return nil }
    return value
  }

  static func kind(_ node: Node) -> String {
    switch node {
    case .scalar(let scalar):
      ["", "null", "~"].contains(scalar.string) ? "empty" : "'\(scalar.string.prefix(40))'"
    case .mapping: "a group of keys"
    case .sequence(let sequence):
      "the list [\(sequence.prefix(6).map { $0.scalar?.string ?? "…" }.joined(separator: ", "))"
        + (sequence.count > 6 ? ", …]" : "]")
    case .alias: "an alias"
    }
  }

  private static func error(_ error: YamlError, file: String) -> RecipeError {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      RecipeError(file: file, line: mark.line, "not YAML: \(problem)")
    case .duplicatedKeysInMapping(let keys, let context):
      RecipeError(
        file: file, line: context.mark.line, "the key \(alternatives(keys)) stands here twice")
    case .reader(let problem, _, _, _): RecipeError(file: file, line: nil, "not YAML: \(problem)")
    default: RecipeError(file: file, line: nil, "not YAML: \(error)")
    }
  }
}
