extension ModelFile {
  private struct Entry {
    let number: UInt32
    let flags: UInt32
    let bytes: UnsafeRawBufferPointer
  }

  /// A copy of the file with these sections in place of its own of the same numbers; all others,
  /// also those that this library does not know, byte for byte. Empty ones are left out.
  public func replacing(_ replacements: [(id: SectionID, bytes: UnsafeRawBufferPointer)]) -> [UInt8] {
    var entries: [Entry] = []
    for i in 0..<Int(base.loadUnaligned(fromByteOffset: 12, as: UInt32.self)) {
      let at = base + Format.headerSize + i * Format.sectionEntrySize
      let number = at.loadUnaligned(as: UInt32.self)
      if replacements.contains(where: { $0.id.rawValue == number }) { continue }
      let offset = Int(at.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      let length = Int(at.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
      entries.append(
        Entry(
          number: number, flags: at.loadUnaligned(fromByteOffset: 4, as: UInt32.self),
          bytes: UnsafeRawBufferPointer(start: base + offset, count: length)))
    }
    for new in replacements where !new.bytes.isEmpty {
      entries.append(
        Entry(number: new.id.rawValue, flags: new.id.isOptional ? 0 : 1, bytes: new.bytes))
    }
    return ModelFile.assemble(entries)
  }

  private static func assemble(_ entries: [Entry]) -> [UInt8] {
    var offsets: [Int] = []
    var end = Format.headerSize + entries.count * Format.sectionEntrySize
    for entry in entries {
      offsets.append(ModelFileWriter.aligned(end))
      end = ModelFileWriter.aligned(end) + entry.bytes.count
    }
    var file = [UInt8](repeating: 0, count: end)
    file.withUnsafeMutableBytes { buffer in
      let base = buffer.baseAddress!
      for (i, entry) in entries.enumerated() {
        let target = base + offsets[i]
        if let source = entry.bytes.baseAddress {
          target.copyMemory(from: source, byteCount: entry.bytes.count)
        }
        let record = base + Format.headerSize + i * Format.sectionEntrySize
        record.storeBytes(of: entry.number.littleEndian, as: UInt32.self)
        record.storeBytes(of: entry.flags.littleEndian, toByteOffset: 4, as: UInt32.self)
        ModelFileWriter.store(UInt64(offsets[i]), record + 8)
        ModelFileWriter.store(UInt64(entry.bytes.count), record + 16)
        ModelFileWriter.store(xxHash64(target, entry.bytes.count), record + 24)
      }
      ModelFileWriter.writeHeader(base, size: end, sectionCount: entries.count)
    }
    return file
  }
}
