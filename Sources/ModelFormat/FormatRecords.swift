// The records of the .apus file, version 1. docs/format.md draws them; both must say the same.

/// What `Format` names is the layout itself: magic, versions, record sizes, sentinel values.
public enum Format {
  /// 0x89 catches 7-bit transports, CR LF and ^Z catch text-mode copies.
  public static var magic: InlineArray<8, UInt8> { [0x89, 0x41, 0x50, 0x55, 0x53, 0x0D, 0x0A, 0x1A] }
  public static var majorVersion: UInt16 { 1 }
  public static var minorVersion: UInt16 { 0 }
  public static var headerSize: Int { 64 }
  public static var sectionEntrySize: Int { 40 }
  /// Alignment of every section and of every tensor in the weights section.
  public static var alignment: Int { 64 }
  /// An index that points to nothing: an optional input left out, no quantisation.
  public static var none: UInt32 { .max }
  /// A weights offset that points to nothing: a state that starts as zeros, zero points all 0.
  public static var noOffset: UInt64 { .max }
  /// Sections that one file may have.
  public static var maximumSections: Int { 1024 }
}

/// The sections, by the number that stands in the file.
public enum SectionID: UInt32 {
  case strings = 1
  case integers = 2
  case reals = 3
  case indices = 4
  case tensors = 5
  case nodes = 6
  case attributes = 7
  case functions = 8
  case states = 9
  case quantization = 10
  case weights = 11
  case symbols = 12
  case metadata = 13
  case debugNames = 14
  case packings = 15
  case packedWeights = 16

  /// Numbers below this are sections, or 0.
  public static var end: Int { 17 }

  /// Sections that a reader may skip without misreading the model.
  public var isOptional: Bool {
    switch self {
    case .metadata, .debugNames, .packings, .packedWeights: true
    default: false
    }
  }

  /// Sections whose size, and the time of whose checksum, grows with the weights.
  var holdsWeights: Bool { self == .weights || self == .packedWeights }

  /// Bytes of one record; 1 for sections that are blobs.
  public var recordSize: Int {
    switch self {
    case .strings, .weights, .debugNames, .packedWeights: 1
    case .integers: 8
    case .reals, .indices: 4
    case .tensors: TensorRecord.size
    case .nodes: NodeRecord.size
    case .attributes: AttributeRecord.size
    case .functions: FunctionRecord.size
    case .states: StateRecord.size
    case .quantization: QuantizationRecord.size
    case .symbols: 8
    case .metadata: 16
    case .packings: PackingRecord.size
    }
  }
}

/// An entry of the section table.
public struct SectionEntry {
  public var number: UInt32 = 0
  /// Bit 0: a reader that does not know the section must refuse the file.
  public var flags: UInt32 = 0
  public var offset: UInt64 = 0
  public var length: UInt64 = 0
  public var checksum: UInt64 = 0
  public init() {}
}

/// What a tensor is made of between runs.
public enum TensorKind: UInt8 {
  /// Computed or given anew in each run.
  case activation = 0
  /// Constant; its bytes are in the weights section.
  case weight = 1
  /// Kept in the session from run to run.
  case state = 2
}

public struct TensorRecord {
  public static var size: Int { 48 }
  /// In place of a rank: the shape is not stated, the operators' shape rules give it. Only for
  /// activations that are neither input nor output.
  public static var unstatedRank: UInt8 { 255 }
  public var dataType: UInt8 = 0
  public var rank: UInt8 = 0
  public var kind: UInt8 = 0
  /// First dimension in the integers section. −1 is a free dimension without a name, −2−k the
  /// free dimension with the k-th symbol's name.
  public var dimensions: UInt32 = 0
  /// Where the bytes start in the weights section (weights; states with an initial value).
  public var offset: UInt64 = Format.noOffset
  public var byteCount: UInt64 = 0
  /// Index into the quantization section, or `Format.none`.
  public var quantization: UInt32 = Format.none
  /// The name in the strings section; empty where the tensor is neither input, output nor state.
  public var nameOffset: UInt32 = 0
  public var nameLength: UInt32 = 0

  public init() {}
}

public struct NodeRecord {
  public static var size: Int { 32 }
  public var opcode: UInt16 = 0
  public var inputCount: UInt16 = 0
  public var outputCount: UInt16 = 0
  public var attributeCount: UInt16 = 0
  /// First tensor index in the indices section; an input left out is `Format.none`.
  public var inputs: UInt32 = 0
  public var outputs: UInt32 = 0
  public var attributes: UInt32 = 0

  public init() {}
}

public enum AttributeType: UInt8, Sendable {
  case int = 1
  case float = 2
  case string = 3
  case ints = 4
  case floats = 5
  /// A function of the same file, by index: the body of a loop or a branch.
  case function = 6
}

public struct AttributeRecord {
  public static var size: Int { 16 }
  /// Position in the operator's own attribute list, which only ever grows.
  public var key: UInt16 = 0
  public var type: UInt8 = 0
  /// Elements of ints and floats, bytes of a string; 1 otherwise.
  public var count: UInt32 = 0
  /// int: the value. float: its bits in the low half. Otherwise an index into integers, reals or
  /// functions, or a byte offset into strings.
  public var payload: UInt64 = 0

  public init() {}
}

public struct FunctionRecord {
  public static var size: Int { 40 }
  public var nameOffset: UInt32 = 0
  public var nameLength: UInt32 = 0
  public var firstNode: UInt32 = 0
  public var nodeCount: UInt32 = 0
  public var inputs: UInt32 = 0
  public var inputCount: UInt32 = 0
  public var outputs: UInt32 = 0
  public var outputCount: UInt32 = 0

  public init() {}
}

/// After a run of `function`, the state takes the value of the activation `next`.
public struct StateRecord {
  public static var size: Int { 16 }
  public var state: UInt32 = 0
  public var next: UInt32 = 0
  public var function: UInt32 = 0

  public init() {}
}

/// real = scale · (stored − zero point), one scale for the tensor or one for each index of `axis`.
public struct QuantizationRecord {
  public static var size: Int { 32 }
  /// −1: one scale for the whole tensor.
  public var axis: Int32 = -1
  public var count: UInt32 = 1
  /// `count` float32 in the weights section.
  public var scales: UInt64 = 0
  /// `count` int32 in the weights section, or `Format.noOffset` where all are 0.
  public var zeroPoints: UInt64 = Format.noOffset

  public init() {}
}

/// A node's weights in the order of a kernel module, ready in the packed weights section.
public struct PackingRecord {
  public static var size: Int { 32 }
  public var node: UInt32 = 0
  /// Which of the node's packings.
  public var tag: UInt32 = 0
  /// Bit k: they are of instruction set k.
  public var instructionSets: UInt8 = 0
  /// What orders they are of: another revision's are not looked at.
  public var revision: UInt16 = 0
  /// Where the bytes start in the packed weights section.
  public var offset: UInt64 = 0
  public var byteCount: UInt64 = 0
  public init() {}
}
