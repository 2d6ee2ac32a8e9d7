import Foundation

/// Reads tables of numbers: one sample a line, one number a cell, one column (or several) to learn.
///
/// The format is RFC 4180's: cells may stand in double quotes, with "" for a quote; line ends are
/// LF or CR LF; empty lines are skipped. The delimiter can be chosen.
public struct CSVReader {
  /// A column by its name in the header or by its number from 0 on; negative counts from the end.
  public enum Column: Equatable {
    case name(String)
    case index(Int)
  }

  public enum Header: Equatable {
    case yes
    case no
    /// The first line is a header where one of its cells, the label's aside, is no number.
    case auto
  }

  /// The column of the class; nil where `values` says what to learn.
  public var label: Column?
  /// Columns of numbers to learn instead of a class.
  public var values: [Column] = []
  /// Columns that are neither input nor target.
  public var ignored: [Column] = []
  public var header = Header.auto
  public var delimiter: UInt8 = UInt8(ascii: ",")
  /// Whether a sample must have an input column beside what is learned.
  var needsInputs = true

  public init(label: Column?) {
    self.label = label
  }

  public func read(_ path: String) throws -> Samples {
    try read(dataBytes(path), file: path)
  }

  /// - Parameter file: What errors call it.
  public func read(_ bytes: [UInt8], file: String) throws -> Samples {
    var rows = CSVRows(bytes, delimiter: delimiter, file: file)
    guard var row = try rows.next() else { throw DataError("\(file): the file has no lines") }
    let columnCount = row.count

    var names: [String]?
    if header == .yes || header == .auto && looksLikeHeader(row) {
      names = row.map { $0.trimmingCharacters(in: .whitespaces) }
      guard let first = try rows.next() else {
        throw DataError("\(file): the file has a header and no data")
      }
      row = first
    }
    func resolve(_ column: Column) throws -> Int {
      switch column {
      case .index(let i):
        guard i < columnCount, i >= -columnCount else {
          throw DataError("\(file): there is no column \(i); a line has \(columnCount) cells")
        }
        return i < 0 ? i + columnCount : i
      case .name(let name):
        guard let names else {
          throw DataError("\(file): there is no header line that could name a column '\(name)'")
        }
        guard let i = names.firstIndex(of: name) else {
          throw DataError(
            "\(file):1: no column is named '\(name)'; the header has "
              + names.prefix(8).map { "'\($0)'" }.joined(separator: ", ")
              + (names.count > 8 ? ", …" : ""))
        }
        return i
      }
    }
    let labelColumn = try label.map(resolve)
    let valueColumns = try values.map(resolve)
    let others = Set(try ignored.map(resolve) + valueColumns + (labelColumn.map { [$0] } ?? []))
    let inputColumns = (0..<columnCount).filter { !others.contains($0) }
    guard !inputColumns.isEmpty || !needsInputs else { throw DataError("\(file): no column is left as input") }

    var inputs: [Float] = []
    var targets: [Float] = []
    var labels: [String] = []
    var count = 0
    func number(_ row: [String], _ column: Int) throws -> Float {
      let cell = row[column].trimmingCharacters(in: .whitespaces)
      if let value = Float(cell), value.isFinite { return value }
      let place = names.map { "column '\($0[column])'" } ?? "column \(column)"
      let found = cell.isEmpty ? "the cell is empty" : "'\(cell.prefix(40))' is not a number"
      throw DataError("\(file):\(rows.line): \(place): \(found)")
    }
    while true {
      guard row.count == columnCount else {
        throw DataError(
          "\(file):\(rows.line): \(row.count) cells, and the lines before it have \(columnCount)")
      }
      for column in inputColumns { inputs.append(try number(row, column)) }
      for column in valueColumns { targets.append(try number(row, column)) }
      if let labelColumn {
        let label = row[labelColumn].trimmingCharacters(in: .whitespaces)
        guard !label.isEmpty else { throw DataError("\(file):\(rows.line): the label is empty") }
        labels.append(label)
      }
      count += 1
      guard let next = try rows.next() else { break }
      row = next
    }
    let learned: Samples.Targets =
      if labelColumn != nil { try classes(ofLabels: labels, file: file) }
      else if valueColumns.isEmpty { .inputs }
      else { .values(targets, shape: [valueColumns.count]) }
    return Samples(
      storage: .floats(inputs), shape: [inputColumns.count], targets: learned, count: count)
  }

  private func looksLikeHeader(_ row: [String]) -> Bool {
    if case .name? = label { return true }
    if values.contains(where: { if case .name = $0 { true } else { false } }) { return true }
    let labelIndex: Int? = if case .index(let i)? = label { i < 0 ? i + row.count : i } else { nil }
    return row.enumerated().contains {
      $0.offset != labelIndex && Float($0.element.trimmingCharacters(in: .whitespaces)) == nil
    }
  }
}

/// The lines of a CSV file, cell by cell.
struct CSVRows {
  private let bytes: [UInt8]
  private let delimiter: UInt8
  private let file: String
  private var at = 0
  private var nextLine = 1
  /// Where the row that was read last began, from 1 on.
  private(set) var line = 0

  init(_ bytes: [UInt8], delimiter: UInt8, file: String) {
    self.bytes = bytes
    self.delimiter = delimiter
    self.file = file
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }  // a byte order mark
  }

  /// The next line that is not empty; nil at the end.
  mutating func next() throws -> [String]? {
    while at < bytes.count {
      line = nextLine
      let row = try readRow()
      if row.count > 1 || !row[0].allSatisfy(\.isWhitespace) { return row }
    }
    return nil
  }

  private mutating func readRow() throws -> [String] {
    var row: [String] = []
    var cell: [UInt8] = []
    while true {
      if at < bytes.count, bytes[at] == UInt8(ascii: "\""), cell.isEmpty {
        cell = try readQuoted()
      }
      guard at < bytes.count else { break }
      let byte = bytes[at]
      at += 1
      if byte == delimiter {
        row.append(String(decoding: cell, as: UTF8.self))
        cell = []
      } else if byte == UInt8(ascii: "\n") {
        nextLine += 1
        break
      } else {
        cell.append(byte)
      }
    }
    if cell.last == UInt8(ascii: "\r") { cell.removeLast() }
    row.append(String(decoding: cell, as: UTF8.self))
    return row
  }

  private mutating func readQuoted() throws -> [UInt8] {
    var cell: [UInt8] = []
    at += 1
    while at < bytes.count {
      let byte = bytes[at]
      at += 1
      if byte == UInt8(ascii: "\"") {
        guard at < bytes.count, bytes[at] == byte else { return cell }
        at += 1
      } else if byte == UInt8(ascii: "\n") {
        nextLine += 1
      }
      cell.append(byte)
    }
    throw DataError("\(file):\(line): a quoted cell does not end")
  }
}
