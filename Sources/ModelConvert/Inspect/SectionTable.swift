import ModelFormat

/// Every byte of a file by what it is for, in the file's order; the sizes add up to the file's.
enum SectionTable {
  static func read(_ file: ModelFile) -> [ModelSummary.SectionSummary] {
    // The file has been opened: the table lies inside it and so does all that it points to.
    let count = Int(file.base.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
    var entries: [ModelSummary.SectionSummary] = []
    for i in 0..<count {
      let at = Format.headerSize + i * Format.sectionEntrySize
      let number = file.base.loadUnaligned(fromByteOffset: at, as: UInt32.self)
      let name = SectionID(rawValue: number).map(title) ?? "unknown section \(number)"
      entries.append(
        ModelSummary.SectionSummary(
          name: name,
          offset: Int(file.base.loadUnaligned(fromByteOffset: at + 8, as: UInt64.self)),
          bytes: Int(file.base.loadUnaligned(fromByteOffset: at + 16, as: UInt64.self))))
    }
    entries.sort { $0.offset < $1.offset }
    let tableBytes = count * Format.sectionEntrySize
    var all = [
      ModelSummary.SectionSummary(name: "header", offset: 0, bytes: Format.headerSize),
      ModelSummary.SectionSummary(
        name: "section table", offset: Format.headerSize, bytes: tableBytes),
    ]
    var end = Format.headerSize + tableBytes
    var padding = 0
    for entry in entries {
      padding += max(entry.offset - end, 0)
      end = max(end, entry.offset + entry.bytes)
      all.append(entry)
    }
    padding += file.size - end
    if padding > 0 {
      all.append(ModelSummary.SectionSummary(name: "alignment", offset: -1, bytes: padding))
    }
    return all
  }

  private static func title(_ id: SectionID) -> String {
    switch id {
    case .debugNames: "debug names"
    case .packedWeights: "packed weights"
    default: "\(id)"
    }
  }
}
