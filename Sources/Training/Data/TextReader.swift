import Foundation

/// Reads text for character models: a file, or the files of a folder (sub-folders included) whose
/// names have one of the suffixes, in the order of their paths or in one drawn by a seed: so that
/// the part held out at the end is like the rest.
public struct TextReader {
  /// "swift", ".md"; empty: every file.
  public var suffixes: [String] = []
  /// Stands between two files.
  public var separator = "\n"
  /// Of the order of a folder's files; nil: by their paths.
  public var seed: UInt64?

  public init() {}

  public func read(_ path: String) throws -> String {
    guard isFolder(path) else { return try text(path) }
    let files = try files(path)
    guard !files.isEmpty else {
      let wanted = suffixes.isEmpty ? "files" : "files that end in " + suffixes.joined(separator: ", ")
      throw DataError("\(path): there are no \(wanted) in this folder")
    }
    var order = Array(files.indices)
    if let seed {
      var random = SeededRandom(seed: seed, 4)
      order = random.permutation(files.count)
    }
    return try order.map { try text(files[$0]) }.joined(separator: separator)
  }

  func files(_ folder: String) throws -> [String] {
    var result: [String] = []
    for name in try entries(ofFolder: folder) {
      let path = folder + "/" + name
      if isFolder(path) {
        // A link to a folder may lead back up.
        let isLink = (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) != nil
        if !isLink { result += try files(path) }
      } else if suffixes.isEmpty || suffixes.contains(where: { hasSuffix(name, $0) }) {
        result.append(path)
      }
    }
    return result
  }

  private func hasSuffix(_ name: String, _ suffix: String) -> Bool {
    name.hasSuffix(suffix.hasPrefix(".") ? suffix : "." + suffix)
  }

  func text(_ path: String) throws -> String {
    let bytes = try dataBytes(path)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      let valid = String(decoding: bytes, as: UTF8.self).utf8
      let at = zip(bytes, valid).enumerated().first { $1.0 != $1.1 }?.offset ?? bytes.count
      let line = bytes[..<min(at, bytes.count)].count { $0 == 0x0A } + 1
      throw DataError("\(path):\(line): not UTF-8 text (byte \(at))")
    }
    guard !text.isEmpty else { throw DataError("\(path): the file is empty") }
    return text
  }
}
