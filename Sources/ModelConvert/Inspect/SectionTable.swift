import ModelFormat

/// Every byte of a file by what it is for, in the file's order; the sizes add up to the file's.
enum SectionTable {
  static func read(_ file: ModelFile) -> [ModelSummary.SectionSummary] {
    // The file has been opened: the table lies inside it and so does all that it points to.
    var entries: [ModelSummary.SectionSummary] = []
    for i in 0..<file.sectionCount {
      let entry = file.sectionEntry(i)
      let name = SectionID(rawValue: entry.number).map(title) ?? "unknown section \(entry.number)"
      entries.append(
        ModelSummary.SectionSummary(
          name: name, offset: Int(entry.offset), bytes: Int(entry.length)))
    }
    entries.sort { $0.offset < $1.offset }
    let tableBytes = file.sectionCount * Format.sectionEntrySize
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
