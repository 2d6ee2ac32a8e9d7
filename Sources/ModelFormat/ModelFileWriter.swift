/// Puts an .apus file together: records go into their sections, `finish` adds header, section table,
/// alignment and checksums. What the records say is the caller's business; ModelFile checks it.
///
/// Offsets and indices that the methods return are those that records refer to.
public final class ModelFileWriter {
  /// Bytes of each section by its number, but for the weights.
  private var sections: [[UInt8]]
  private var weights: [Weight] = []
  private var weightsSize = 0

  private struct Weight {
    let offset: Int
    let bytes: [UInt8]
  }

  public init() {
    sections = [[UInt8]](repeating: [], count: SectionID.end)
  }

  /// Bytes written to a section so far.
  public func size(_ id: SectionID) -> Int {
    id == .weights ? weightsSize : sections[Int(id.rawValue)].count
  }

  /// Records written to a section so far: the index of the next one.
  public func count(_ id: SectionID) -> Int { size(id) / id.recordSize }

  private func append<T: FixedWidthInteger>(_ id: SectionID, _ value: T) {
    var rest = value
    var i = 0
    while i < T.bitWidth / 8 {
      sections[Int(id.rawValue)].append(UInt8(truncatingIfNeeded: rest))
      if T.bitWidth > 8 { rest = rest &>> 8 }
      i += 1
    }
  }

  // MARK: Pools

  /// Returns the offset of the text in the strings section.
  public func append(string bytes: [UInt8]) -> UInt32 {
    let offset = size(.strings)
    sections[Int(SectionID.strings.rawValue)].append(contentsOf: bytes)
    return UInt32(truncatingIfNeeded: offset)
  }

  public func append(integer value: Int64) { append(.integers, value) }
  public func append(real value: Float) { append(.reals, value.bitPattern) }
  public func append(index value: UInt32) { append(.indices, value) }

  /// Returns the offset of the bytes in the weights section, aligned as every weight is.
  public func append(weight bytes: [UInt8]) -> UInt64 {
    let offset = ModelFileWriter.aligned(weightsSize)
    weights.append(Weight(offset: offset, bytes: bytes))
    weightsSize = offset + bytes.count
    return UInt64(offset)
  }

  // MARK: Records

  public func append(_ r: TensorRecord) {
    append(.tensors, r.dataType)
    append(.tensors, r.rank)
    append(.tensors, r.kind)
    append(.tensors, 0 as UInt8)
    append(.tensors, r.dimensions)
    append(.tensors, r.offset)
    append(.tensors, r.byteCount)
    append(.tensors, r.quantization)
    append(.tensors, r.nameOffset)
    append(.tensors, r.nameLength)
    pad(.tensors)
  }

  public func append(_ r: NodeRecord) {
    append(.nodes, r.opcode)
    append(.nodes, r.inputCount)
    append(.nodes, r.outputCount)
    append(.nodes, r.attributeCount)
    append(.nodes, r.inputs)
    append(.nodes, r.outputs)
    append(.nodes, r.attributes)
    pad(.nodes)
  }

  public func append(_ r: AttributeRecord) {
    append(.attributes, r.key)
    append(.attributes, r.type)
    append(.attributes, 0 as UInt8)
    append(.attributes, r.count)
    append(.attributes, r.payload)
  }

  public func append(_ r: FunctionRecord) {
    append(.functions, r.nameOffset)
    append(.functions, r.nameLength)
    append(.functions, r.firstNode)
    append(.functions, r.nodeCount)
    append(.functions, r.inputs)
    append(.functions, r.inputCount)
    append(.functions, r.outputs)
    append(.functions, r.outputCount)
    pad(.functions)
  }

  public func append(_ r: StateRecord) {
    append(.states, r.state)
    append(.states, r.next)
    append(.states, r.function)
    pad(.states)
  }

  public func append(_ r: QuantizationRecord) {
    append(.quantization, r.axis)
    append(.quantization, r.count)
    append(.quantization, r.scales)
    append(.quantization, r.zeroPoints)
    pad(.quantization)
  }

  public func append(symbol offset: UInt32, length: UInt32) {
    append(.symbols, offset)
    append(.symbols, length)
  }

  public func append(
    metadataKey: UInt32, length keyLength: UInt32, value: UInt32, length valueLength: UInt32
  ) {
    append(.metadata, metadataKey)
    append(.metadata, keyLength)
    append(.metadata, value)
    append(.metadata, valueLength)
  }

  /// The names that people read: of every tensor and every node, in the order of their records.
  public func append(debugNamesOfTensors tensors: [[UInt8]], nodes: [[UInt8]]) {
    append(.debugNames, UInt32(truncatingIfNeeded: tensors.count))
    append(.debugNames, UInt32(truncatingIfNeeded: nodes.count))
    var start: UInt32 = 0
    append(.debugNames, start)
    for name in tensors {
      start += UInt32(truncatingIfNeeded: name.count)
      append(.debugNames, start)
    }
    for name in nodes {
      start += UInt32(truncatingIfNeeded: name.count)
      append(.debugNames, start)
    }
    for name in tensors { sections[Int(SectionID.debugNames.rawValue)].append(contentsOf: name) }
    for name in nodes { sections[Int(SectionID.debugNames.rawValue)].append(contentsOf: name) }
  }

  public func append(_ r: PackingRecord) {
    append(.packings, r.node)
    append(.packings, r.tag)
    append(.packings, r.instructionSets)
    append(.packings, 0 as UInt8)
    append(.packings, r.revision)
    append(.packings, 0 as UInt32)
    append(.packings, r.offset)
    append(.packings, r.byteCount)
  }

  /// Returns the offset of the bytes in the packed weights section, aligned as every weight is.
  public func append(packedWeights bytes: [UInt8]) -> UInt64 {
    let number = Int(SectionID.packedWeights.rawValue)
    let offset = ModelFileWriter.aligned(size(.packedWeights))
    sections[number] += [UInt8](repeating: 0, count: offset - size(.packedWeights))
    sections[number] += bytes
    return UInt64(offset)
  }

  /// Fills the record begun last up to the size that the format gives it.
  private func pad(_ id: SectionID) {
    while size(id) % id.recordSize != 0 { append(id, 0 as UInt8) }
  }

  // MARK: The file

  private static func aligned(_ offset: Int) -> Int {
    (offset + Format.alignment - 1) / Format.alignment * Format.alignment
  }

  /// A section of a file that is put together.
  struct NewSection {
    let number: UInt32
    let flags: UInt32
    let size: Int
    /// Writes all of its bytes.
    let fill: (UnsafeMutableRawPointer) -> Void
  }

  /// The finished file.
  ///
  /// - Complexity: O(size); the weights are copied once.
  public func finish() -> [UInt8] {
    var present: [NewSection] = []
    for number in 1..<UInt32(sections.count) {
      if let id = SectionID(rawValue: number), size(id) > 0 || id == .functions {
        present.append(section(id))
      }
    }
    return ModelFileWriter.assemble(present)
  }

  /// A copy of the file with these sections as they were written here, left out where they are empty,
  /// in place of its own; all others, also those that this library does not know, byte for byte.
  public func replace(_ ids: [SectionID], of file: ModelFile) -> [UInt8] {
    var all: [NewSection] = []
    for i in 0..<file.sectionCount {
      let entry = file.sectionEntry(i)
      if ids.contains(where: { $0.rawValue == entry.number }) { continue }
      let source = file.base + Int(entry.offset)
      let size = Int(entry.length)
      all.append(
        NewSection(number: entry.number, flags: entry.flags, size: size) {
          $0.copyMemory(from: source, byteCount: size)
        })
    }
    for id in ids where size(id) > 0 { all.append(section(id)) }
    return ModelFileWriter.assemble(all)
  }

  private func section(_ id: SectionID) -> NewSection {
    NewSection(number: id.rawValue, flags: id.isOptional ? 0 : 1, size: size(id)) {
      self.fill(id, $0)
    }
  }

  private static func assemble(_ sections: [NewSection]) -> [UInt8] {
    var offsets: [Int] = []
    var end = Format.headerSize + sections.count * Format.sectionEntrySize
    for section in sections {
      offsets.append(aligned(end))
      end = aligned(end) + section.size
    }
    var file = [UInt8](repeating: 0, count: end)
    file.withUnsafeMutableBytes { buffer in
      guard let base = buffer.baseAddress else { return }
      for (i, section) in sections.enumerated() {
        section.fill(base + offsets[i])
        let entry = base + Format.headerSize + i * Format.sectionEntrySize
        entry.storeBytes(of: section.number.littleEndian, as: UInt32.self)
        entry.storeBytes(of: section.flags.littleEndian, toByteOffset: 4, as: UInt32.self)
        store(UInt64(offsets[i]), entry + 8)
        store(UInt64(section.size), entry + 16)
        store(xxHash64(base + offsets[i], section.size), entry + 24)
      }
      writeHeader(base, size: end, sectionCount: sections.count)
    }
    return file
  }

  private func fill(_ id: SectionID, _ target: UnsafeMutableRawPointer) {
    if id == .weights {
      for weight in weights {
        weight.bytes.withUnsafeBytes { bytes in
          if let start = bytes.baseAddress {
            (target + weight.offset).copyMemory(from: start, byteCount: bytes.count)
          }
        }
      }
    } else {
      sections[Int(id.rawValue)].withUnsafeBytes { bytes in
        if let start = bytes.baseAddress {
          target.copyMemory(from: start, byteCount: bytes.count)
        }
      }
    }
  }

  private static func writeHeader(_ base: UnsafeMutableRawPointer, size: Int, sectionCount: Int) {
    let magic = Format.magic
    for i in magic.indices { base.storeBytes(of: magic[i], toByteOffset: i, as: UInt8.self) }
    base.storeBytes(of: Format.majorVersion.littleEndian, toByteOffset: 8, as: UInt16.self)
    base.storeBytes(of: Format.minorVersion.littleEndian, toByteOffset: 10, as: UInt16.self)
    base.storeBytes(of: UInt32(sectionCount).littleEndian, toByteOffset: 12, as: UInt32.self)
    store(UInt64(size), base + 16)
    store(xxHash64(base + Format.headerSize, sectionCount * Format.sectionEntrySize), base + 24)
    store(xxHash64(base, 56), base + 56)
  }

  private static func store(_ value: UInt64, _ target: UnsafeMutableRawPointer) {
    target.storeBytes(of: value.littleEndian, as: UInt64.self)
  }
}
