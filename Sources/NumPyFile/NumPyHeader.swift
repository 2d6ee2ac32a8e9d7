/// What stands before the elements of a .npy file.
///
/// The format (NumPy's `numpy/lib/format.py`, NEP 1): "\x93NUMPY", major and minor version, the
/// length of the header (2 bytes in version 1, 4 bytes from version 2 on, little-endian), then a
/// Python dictionary `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }` padded with
/// spaces. Version 3 differs from 2 in that the dictionary may be UTF-8.
struct NumPyHeader {
  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  let type: NumPyType
  let isBigEndian: Bool
  let isFortranOrder: Bool
  let shape: [Int]
  /// Where the elements start, and how many bytes they take.
  let dataOffset: Int
  let byteCount: Int

  init(_ bytes: ArraySlice<UInt8>, file: String) throws {
    let start = bytes.startIndex
    guard bytes.count >= 10, bytes.prefix(6).elementsEqual(NumPyHeader.magic) else {
      throw NumPyError("\(file): not a .npy file (it does not start with \\x93NUMPY)")
    }
    let major = bytes[start + 6]
    guard (1...3).contains(major) else {
      throw NumPyError("\(file): .npy version \(major), and only 1 to 3 are known")
    }
    let lengthSize = major == 1 ? 2 : 4
    guard bytes.count >= 8 + lengthSize else { throw NumPyError("\(file): the header is cut off") }
    var length = 0
    for i in (0..<lengthSize).reversed() { length = length << 8 | Int(bytes[start + 8 + i]) }
    let textStart = start + 8 + lengthSize
    guard length <= bytes.endIndex - textStart else {
      throw NumPyError(
        "\(file): the header is cut off: \(length) bytes wanted, \(bytes.endIndex - textStart) left")
    }
    dataOffset = textStart - start + length

    var parser = LiteralParser(bytes[textStart..<textStart + length])
    guard case .dictionary(let entries)? = parser.parseDocument() else {
      throw NumPyError("\(file): the header is not a Python dictionary")
    }
    func entry(_ key: String) throws -> LiteralParser.Value {
      guard let found = entries.last(where: { $0.0 == key }) else {
        throw NumPyError("\(file): the header lacks '\(key)'")
      }
      return found.1
    }
    guard case .string(let descriptor) = try entry("descr") else {
      throw NumPyError("\(file): holds a structured type; only plain numbers can be read")
    }
    guard let (type, isBigEndian) = NumPyType.parse(descriptor: descriptor) else {
      throw NumPyError(
        "\(file): elements of type '\(descriptor)' cannot be read; "
          + "bool, int8 to int64, uint8 to uint64 and float16 to float64 can")
    }
    guard case .boolean(let isFortranOrder) = try entry("fortran_order") else {
      throw NumPyError("\(file): 'fortran_order' in the header must be True or False")
    }
    guard case .tuple(let dimensions) = try entry("shape"), dimensions.allSatisfy({ $0 >= 0 }) else {
      throw NumPyError("\(file): 'shape' in the header must be a tuple of numbers from 0 on")
    }
    var byteCount = type.size
    for d in dimensions where d != 0 {
      let (product, overflow) = byteCount.multipliedReportingOverflow(by: d)
      guard !overflow else { throw NumPyError("\(file): the shape \(dimensions) is too large") }
      byteCount = product
    }
    self.type = type
    self.isBigEndian = isBigEndian
    self.isFortranOrder = isFortranOrder
    self.shape = dimensions
    self.byteCount = dimensions.contains(0) ? 0 : byteCount
  }
}

/// The part of Python's literals that .npy headers are made of.
struct LiteralParser {
  enum Value {
    case string(String)
    case boolean(Bool)
    case integer(Int)
    case tuple([Int])
    case dictionary([(String, Value)])
    /// A list: the `descr` of a structured type. What is inside does not matter.
    case list
  }

  private var rest: ArraySlice<UInt8>

  init(_ text: ArraySlice<UInt8>) {
    rest = text
  }

  /// One dictionary and nothing but white space after it.
  mutating func parseDocument() -> Value? {
    guard take("{") else { return nil }
    var entries: [(String, Value)] = []
    while !take("}") {
      guard let key = parseString(), take(":"), let value = parseValue() else { return nil }
      entries.append((key, value))
      if !take(",") {
        guard take("}") else { return nil }
        break
      }
    }
    skipSpace()
    return rest.isEmpty ? .dictionary(entries) : nil
  }

  private mutating func parseValue() -> Value? {
    skipSpace()
    switch rest.first {
    case UInt8(ascii: "'"), UInt8(ascii: "\""): return parseString().map { .string($0) }
    case UInt8(ascii: "("): return parseTuple().map { .tuple($0) }
    case UInt8(ascii: "["): return parseList()
    default:
      if takeWord("True") { return .boolean(true) }
      if takeWord("False") { return .boolean(false) }
      return parseInteger().map { .integer($0) }
    }
  }

  private mutating func parseTuple() -> [Int]? {
    guard take("(") else { return nil }
    var values: [Int] = []
    while !take(")") {
      guard let value = parseInteger() else { return nil }
      values.append(value)
      if !take(",") {
        // "(3)" is no tuple in Python.
        guard values.count > 1, take(")") else { return nil }
        break
      }
    }
    return values
  }

  private mutating func parseList() -> Value? {
    var depth = 0
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "[") { depth += 1 }
      if byte == UInt8(ascii: "]") {
        depth -= 1
        if depth == 0 { return .list }
      }
    }
    return nil
  }

  private mutating func parseString() -> String? {
    skipSpace()
    guard let quote = rest.first, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else {
      return nil
    }
    rest.removeFirst()
    guard let end = rest.firstIndex(of: quote) else { return nil }
    let text = String(decoding: rest[..<end], as: UTF8.self)
    rest = rest[(end + 1)...]
    return text
  }

  /// Decimal digits; Python 2 wrote "3L".
  private mutating func parseInteger() -> Int? {
    skipSpace()
    let digits = rest.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") || $0 == UInt8(ascii: "-") }
    guard let value = Int(String(decoding: digits, as: UTF8.self)) else { return nil }
    rest = rest.dropFirst(digits.count)
    if rest.first == UInt8(ascii: "L") { rest.removeFirst() }
    return value
  }

  private mutating func takeWord(_ word: String) -> Bool {
    guard rest.starts(with: word.utf8) else { return false }
    rest = rest.dropFirst(word.utf8.count)
    return true
  }

  private mutating func take(_ mark: Character) -> Bool {
    skipSpace()
    guard rest.first == mark.asciiValue else { return false }
    rest.removeFirst()
    return true
  }

  private mutating func skipSpace() {
    rest = rest.drop { $0 == 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }
  }
}
