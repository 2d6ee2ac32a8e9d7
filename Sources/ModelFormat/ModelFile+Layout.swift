// The first pass over a file: header, section table, checksums. Nothing behind an offset is read
// before the offset has been checked.

extension ModelFile {
  /// Returns the file's minor version.
  static func checkHeader(_ base: UnsafeRawPointer, _ size: Int) throws(ApusError) -> UInt16 {
    let magic = Format.magic
    var i = 0
    while i < min(size, 8) {
      if base.load(fromByteOffset: i, as: UInt8.self) != magic[i] {
        throw ApusError(
          .notAModel, "not an .apus model: byte \(i) differs from the format's signature")
      }
      i += 1
    }
    guard size >= Format.headerSize else {
      throw ApusError(
        size < 8 ? .notAModel : .corruptFile,
        "the file has \(size) bytes; the header alone takes \(Format.headerSize)")
    }
    let major = base.loadUnaligned(fromByteOffset: 8, as: UInt16.self)
    let minor = base.loadUnaligned(fromByteOffset: 10, as: UInt16.self)
    guard major <= Format.majorVersion else {
      throw ApusError(
        .newerFormat,
        "the file is of format version \(major).\(minor); this library reads version 1")
    }
    guard major == Format.majorVersion else {
      throw ApusError(.corruptFile, "header: format version \(major).\(minor) does not exist")
    }
    guard xxHash64(base, 56) == base.loadUnaligned(fromByteOffset: 56, as: UInt64.self) else {
      throw ApusError(.corruptFile, "header: its checksum does not match")
    }
    let declared = base.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
    guard declared == UInt64(size) else {
      throw ApusError(
        .corruptFile, "header: the file should have \(declared) bytes and has \(size)")
    }
    return minor
  }

  func readSectionTable(verifyWeights: Bool) throws(ApusError) {
    let count = sectionCount
    guard count <= Format.maximumSections else {
      throw ApusError(.corruptFile, "header: \(count) sections; at most 1024 are allowed")
    }
    let tableSize = count * Format.sectionEntrySize
    guard Format.headerSize + tableSize <= size else {
      throw ApusError(.corruptFile, "section table: it ends beyond the file's \(size) bytes")
    }
    guard
      xxHash64(base + Format.headerSize, tableSize)
        == base.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
    else {
      throw ApusError(.corruptFile, "section table: its checksum does not match")
    }
    for i in 0..<count { try read(sectionEntry(i), tableSize, verifyWeights: verifyWeights) }
  }

  private func read(
    _ entry: SectionEntry, _ tableSize: Int, verifyWeights: Bool
  ) throws(ApusError) {
    let number = entry.number
    let offset = entry.offset
    let length = entry.length
    let total = UInt64(size)
    guard offset % UInt64(Format.alignment) == 0,
      offset >= UInt64(Format.headerSize + tableSize)
    else {
      throw ApusError(
        .corruptFile, "section \(number): it starts at \(offset), which no section may")
    }
    guard offset <= total, length <= total - offset else {
      throw ApusError(
        .corruptFile,
        "section \(number): \(length) bytes from \(offset) reach beyond the file's \(size) bytes")
    }
    guard let id = SectionID(rawValue: number) else {
      if entry.flags & 1 != 0 {
        throw ApusError(
          .unsupported,
          "section \(number) is required and unknown to this library: a newer one is needed")
      }
      return
    }
    guard sections[Int(number)].offset == 0 else {
      throw ApusError(.corruptFile, "section \(number): it stands in the table twice")
    }
    guard Int(length) % id.recordSize == 0 else {
      throw ApusError(
        .corruptFile,
        "section \(number): \(length) bytes are no whole number of \(id.recordSize)-byte records")
    }
    guard Int(length) / id.recordSize <= Int(Int32.max) || id.holdsWeights else {
      throw ApusError(.corruptFile, "section \(number): \(length) bytes are too many")
    }
    if !id.holdsWeights || verifyWeights {
      guard xxHash64(base + Int(offset), Int(length)) == entry.checksum else {
        throw ApusError(.corruptFile, "section \(number): its checksum does not match")
      }
    }
    sections[Int(number)].offset = Int(offset)
    sections[Int(number)].size = Int(length)
  }
}
