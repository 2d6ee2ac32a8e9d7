/// A model file in memory, checked: after `init` every index and offset in it can be followed
/// without a further test. Nothing is copied; the bytes must outlive this object.
public final class ModelFile {
  public let base: UnsafeRawPointer
  public let size: Int
  public private(set) var minorVersion: UInt16 = 0
  var sections: InlineArray<17, SectionView> = InlineArray(repeating: SectionView())

  /// Where a section lies; empty where the file has none.
  public struct SectionView {
    public var offset = 0
    public var size = 0
    init() {}
  }

  /// Checks the whole file, its layout first and then what the records say.
  ///
  /// - Parameter verifyWeights: whether the checksum of the weights section is computed too (the
  ///   one check whose cost grows with the weights).
  /// - Complexity: O(size) with `verifyWeights`, else O(records).
  public init(_ base: UnsafeRawPointer, size: Int, verifyWeights: Bool) throws(ApusError) {
    self.base = base
    self.size = size
    minorVersion = try ModelFile.checkHeader(base, size)
    try readSectionTable(verifyWeights: verifyWeights)
    try checkRecords()
  }

  // MARK: Sections

  /// Entries of the section table, unknown sections among them.
  public var sectionCount: Int { Int(base.loadUnaligned(fromByteOffset: 12, as: UInt32.self)) }

  public func sectionEntry(_ i: Int) -> SectionEntry {
    let at = Format.headerSize + i * Format.sectionEntrySize
    var entry = SectionEntry()
    entry.number = base.loadUnaligned(fromByteOffset: at, as: UInt32.self)
    entry.flags = base.loadUnaligned(fromByteOffset: at + 4, as: UInt32.self)
    entry.offset = base.loadUnaligned(fromByteOffset: at + 8, as: UInt64.self)
    entry.length = base.loadUnaligned(fromByteOffset: at + 16, as: UInt64.self)
    entry.checksum = base.loadUnaligned(fromByteOffset: at + 24, as: UInt64.self)
    return entry
  }

  public func section(_ id: SectionID) -> SectionView { sections[Int(id.rawValue)] }

  public func count(_ id: SectionID) -> Int { section(id).size / id.recordSize }

  @inline(__always) func load<T: BitwiseCopyable>(_ id: SectionID, _ byte: Int, as: T.Type) -> T {
    base.loadUnaligned(fromByteOffset: section(id).offset + byte, as: T.self)
  }

  // MARK: Pools

  public func integer(_ i: Int) -> Int64 { load(.integers, i * 8, as: Int64.self) }
  public func real(_ i: Int) -> Float { load(.reals, i * 4, as: Float.self) }
  public func index(_ i: Int) -> UInt32 { load(.indices, i * 4, as: UInt32.self) }
  public func name(_ offset: UInt32, _ length: UInt32) -> Name {
    Name(
      start: (base + section(.strings).offset + Int(offset)).assumingMemoryBound(to: UInt8.self),
      count: Int(length))
  }
  public func weightBytes(_ offset: UInt64) -> UnsafeRawPointer {
    base + section(.weights).offset + Int(offset)
  }

  // MARK: Records

  public func tensor(_ i: Int) -> TensorRecord {
    let at = i * TensorRecord.size
    var r = TensorRecord()
    r.dataType = load(.tensors, at, as: UInt8.self)
    r.rank = load(.tensors, at + 1, as: UInt8.self)
    r.kind = load(.tensors, at + 2, as: UInt8.self)
    r.dimensions = load(.tensors, at + 4, as: UInt32.self)
    r.offset = load(.tensors, at + 8, as: UInt64.self)
    r.byteCount = load(.tensors, at + 16, as: UInt64.self)
    r.quantization = load(.tensors, at + 24, as: UInt32.self)
    r.nameOffset = load(.tensors, at + 28, as: UInt32.self)
    r.nameLength = load(.tensors, at + 32, as: UInt32.self)
    return r
  }

  public func node(_ i: Int) -> NodeRecord {
    let at = i * NodeRecord.size
    var r = NodeRecord()
    r.opcode = load(.nodes, at, as: UInt16.self)
    r.inputCount = load(.nodes, at + 2, as: UInt16.self)
    r.outputCount = load(.nodes, at + 4, as: UInt16.self)
    r.attributeCount = load(.nodes, at + 6, as: UInt16.self)
    r.inputs = load(.nodes, at + 8, as: UInt32.self)
    r.outputs = load(.nodes, at + 12, as: UInt32.self)
    r.attributes = load(.nodes, at + 16, as: UInt32.self)
    return r
  }

  public func attribute(_ i: Int) -> AttributeRecord {
    let at = i * AttributeRecord.size
    var r = AttributeRecord()
    r.key = load(.attributes, at, as: UInt16.self)
    r.type = load(.attributes, at + 2, as: UInt8.self)
    r.count = load(.attributes, at + 4, as: UInt32.self)
    r.payload = load(.attributes, at + 8, as: UInt64.self)
    return r
  }

  public func function(_ i: Int) -> FunctionRecord {
    let at = i * FunctionRecord.size
    var r = FunctionRecord()
    r.nameOffset = load(.functions, at, as: UInt32.self)
    r.nameLength = load(.functions, at + 4, as: UInt32.self)
    r.firstNode = load(.functions, at + 8, as: UInt32.self)
    r.nodeCount = load(.functions, at + 12, as: UInt32.self)
    r.inputs = load(.functions, at + 16, as: UInt32.self)
    r.inputCount = load(.functions, at + 20, as: UInt32.self)
    r.outputs = load(.functions, at + 24, as: UInt32.self)
    r.outputCount = load(.functions, at + 28, as: UInt32.self)
    return r
  }

  public func state(_ i: Int) -> StateRecord {
    let at = i * StateRecord.size
    var r = StateRecord()
    r.state = load(.states, at, as: UInt32.self)
    r.next = load(.states, at + 4, as: UInt32.self)
    r.function = load(.states, at + 8, as: UInt32.self)
    return r
  }

  /// What an activation's integers stand for, where one scale is for all of them.
  public func linearParameters(_ r: TensorRecord) -> (scale: Float, zeroPoint: Int32)? {
    guard r.quantization != Format.none, r.kind == TensorKind.activation.rawValue else {
      return nil
    }
    let q = quantization(Int(r.quantization))
    guard q.axis < 0 else { return nil }
    let zero = q.zeroPoints == Format.noOffset ? nil : weightBytes(q.zeroPoints)
    return (
      weightBytes(q.scales).loadUnaligned(as: Float.self),
      zero?.loadUnaligned(as: Int32.self) ?? 0
    )
  }

  public func quantization(_ i: Int) -> QuantizationRecord {
    let at = i * QuantizationRecord.size
    var r = QuantizationRecord()
    r.axis = load(.quantization, at, as: Int32.self)
    r.count = load(.quantization, at + 4, as: UInt32.self)
    r.scales = load(.quantization, at + 8, as: UInt64.self)
    r.zeroPoints = load(.quantization, at + 16, as: UInt64.self)
    return r
  }

  /// The tensor's dimensions as the file states them: free ones are negative (see TensorRecord).
  /// Only where the shape is stated.
  public func declaredShape(_ r: TensorRecord) -> Shape {
    var shape = Shape()
    for i in 0..<Int(r.rank) {
      shape.append(Int(integer(Int(r.dimensions) + i)))
    }
    return shape
  }

  public func tensorName(_ r: TensorRecord) -> Name { name(r.nameOffset, r.nameLength) }
  public func functionName(_ r: FunctionRecord) -> Name { name(r.nameOffset, r.nameLength) }

  /// A symbol's name: what a free dimension is called.
  public func symbol(_ i: Int) -> Name {
    name(load(.symbols, i * 8, as: UInt32.self), load(.symbols, i * 8 + 4, as: UInt32.self))
  }

  /// The i-th metadata entry.
  public func metadata(_ i: Int) -> (key: Name, value: Name) {
    let at = i * 16
    return (
      name(load(.metadata, at, as: UInt32.self), load(.metadata, at + 4, as: UInt32.self)),
      name(load(.metadata, at + 8, as: UInt32.self), load(.metadata, at + 12, as: UInt32.self))
    )
  }
}
