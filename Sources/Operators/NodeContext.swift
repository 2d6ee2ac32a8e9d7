import ModelFormat

/// What is known of a tensor while a plan is made.
public struct TensorInfo {
  public var dataType: DataType
  /// No dimension is free any more.
  public var shape: Shape
  /// The value, where it is known: a weight, what the planner computed from constants, or, for a
  /// node that is planned anew in each run, whatever the input holds.
  public var constant: UnsafeRawPointer?
  /// Where no value is known: what it would be if every bound were reached, and so a bound of the
  /// sizes that it decides.
  public var expected: UnsafeRawPointer?
  /// `shape` is an upper bound: the run finds the real dimensions, none of them larger.
  public var isBound = false

  public init(_ dataType: DataType, _ shape: Shape, constant: UnsafeRawPointer? = nil) {
    self.dataType = dataType
    self.shape = shape
    self.constant = constant
  }

  /// Bytes of the whole tensor.
  public var byteCount: Int { shape.count * dataType.size }
}

/// A node under inference or planning: its attributes, what its inputs are, what its outputs shall
/// be.
public final class NodeContext {
  public let file: ModelFile
  public let record: NodeRecord
  public let definition: Operator
  /// Position in the file, for error messages.
  public let nodeIndex: Int
  /// From the debug names; empty where the file has none.
  public let nodeName: Name
  /// nil: an optional input that was left out.
  public let inputs: [TensorInfo?]
  /// As many as the node has; the shape rule sets each.
  public var outputs: [TensorInfo]
  /// The shape rule asked for the value of an input that is known only in a run.
  public private(set) var missesValue = false

  public init(
    file: ModelFile, record: NodeRecord, definition: Operator, nodeIndex: Int, nodeName: Name,
    inputs: [TensorInfo?]
  ) {
    self.file = file
    self.record = record
    self.definition = definition
    self.nodeIndex = nodeIndex
    self.nodeName = nodeName
    self.inputs = inputs
    outputs = []
  }

  /// The number of outputs that the node asks for.
  public var outputCount: Int { Int(record.outputCount) }

  /// Whether the node asks for output `i` (a trailing or left-out output costs nothing).
  public func wantsOutput(_ i: Int) -> Bool {
    i < outputCount && file.index(Int(record.outputs) + i) != Format.none
  }

  // MARK: Inputs

  public func hasInput(_ i: Int) -> Bool { i < inputs.count && inputs[i] != nil }

  /// An input that may not be left out; the loader has checked that it is there.
  public func input(_ i: Int) -> TensorInfo { inputs[i]! }

  public func optionalInput(_ i: Int) -> TensorInfo? { i < inputs.count ? inputs[i] : nil }

  // MARK: Attributes

  private func find(_ name: StaticString) -> AttributeRecord? {
    let wanted = Name(name)
    for i in 0..<Int(record.attributeCount) {
      let r = file.attribute(Int(record.attributes) + i)
      if Name(definition.attributes[Int(r.key)].name) == wanted { return r }
    }
    return nil
  }

  public func hasAttribute(_ name: StaticString) -> Bool { find(name) != nil }

  public func int(_ name: StaticString, default value: Int) -> Int {
    guard let r = find(name) else { return value }
    return Int(Int64(bitPattern: r.payload))
  }

  public func float(_ name: StaticString, default value: Float) -> Float {
    guard let r = find(name) else { return value }
    return Float(bitPattern: UInt32(truncatingIfNeeded: r.payload))
  }

  /// nil where the attribute is not set.
  public func ints(_ name: StaticString) -> [Int]? {
    guard let r = find(name) else { return nil }
    var values: [Int] = []
    values.reserveCapacity(Int(r.count))
    for i in 0..<Int(r.count) { values.append(Int(file.integer(Int(r.payload) + i))) }
    return values
  }

  public func floats(_ name: StaticString) -> [Float]? {
    guard let r = find(name) else { return nil }
    var values: [Float] = []
    values.reserveCapacity(Int(r.count))
    for i in 0..<Int(r.count) { values.append(file.real(Int(r.payload) + i)) }
    return values
  }

  /// nil where the attribute is not set.
  public func string(_ name: StaticString) -> Name? {
    guard let r = find(name) else { return nil }
    return file.name(UInt32(truncatingIfNeeded: r.payload), r.count)
  }

  /// The index in the file of a function that the node runs.
  public func function(_ name: StaticString) throws(ApusError) -> Int {
    guard let r = find(name) else {
      throw error(.invalidModel, "the attribute \(name) is missing")
    }
    return Int(truncatingIfNeeded: r.payload)
  }

  // MARK: Checks that many shape rules share

  /// An error that names this node.
  @inline(never) public func error(_ status: Status, _ message: Message) -> ApusError {
    nodeName.isEmpty
      ? ApusError(status, "node \(nodeIndex) (\(definition.name)): \(message)")
      : ApusError(status, "node \(nodeIndex) (\(definition.name) \(nodeName)): \(message)")
  }

  public func require(
    _ condition: Bool, _ status: Status = .invalidShape, _ message: @autoclosure () -> Message
  ) throws(ApusError) {
    if !condition { throw error(status, message()) }
  }

  /// As above, for a shape that does not fit.
  public func require(
    _ condition: Bool, _ message: @autoclosure () -> Message
  ) throws(ApusError) {
    if !condition { throw error(.invalidShape, message()) }
  }

  public func requireType(_ i: Int, _ type: DataType) throws(ApusError) {
    if let input = optionalInput(i), input.dataType != type {
      throw error(.invalidType, "input \(i) must be \(type) and is \(input.dataType)")
    }
  }

  /// Every input present is float32.
  public func requireFloat32() throws(ApusError) {
    for i in 0..<inputs.count { try requireType(i, .float32) }
  }

  public func requireRank(_ i: Int, _ ranks: ClosedRange<Int>) throws(ApusError) {
    let rank = input(i).shape.rank
    if !ranks.contains(rank) {
      throw error(
        .invalidShape,
        ranks.lowerBound == ranks.upperBound
          ? "input \(i) must be of rank \(ranks.lowerBound) and is \(input(i).shape)"
          : "input \(i) must be of rank \(ranks.lowerBound) to \(ranks.upperBound) and is \(input(i).shape)"
      )
    }
  }

  public func requireShape(_ i: Int, _ shape: Shape) throws(ApusError) {
    if let input = optionalInput(i), !(input.shape == shape) {
      throw error(.invalidShape, "input \(i) must be \(shape) and is \(input.shape)")
    }
  }

  /// An axis that may count from the end, as one that does not.
  public func normalizedAxis(_ axis: Int, rank: Int) throws(ApusError) -> Int {
    guard axis >= -rank, axis < rank else {
      throw error(.invalidModel, "axis \(axis) does not exist in a tensor of rank \(rank)")
    }
    return axis < 0 ? axis + rank : axis
  }

  /// The data of an input whose value decides shapes. Where it is not known yet the planner takes the
  /// output's stated shape as a bound and asks again in the run.
  public func knownValue(_ i: Int) throws(ApusError) -> UnsafeRawPointer {
    guard let constant = input(i).constant else {
      // A shape rule that then sets a bound, or is asked again on the largest values.
      missesValue = true
      throw error(.unsupported, "input \(i) must be a constant")
    }
    return constant
  }

  /// Whether the values of these inputs are known, or left out: else an output's size may depend on
  /// the run, and `setBoundedOutput` says how large it can be.
  public func knowsValues(_ range: ClosedRange<Int>) -> Bool {
    for i in range { if let input = optionalInput(i), input.constant == nil { return false } }
    return true
  }

  /// The integers (int32 or int64) of an input that must be known when the plan is made; nil where
  /// the input was left out.
  public func constantInts(_ i: Int) throws(ApusError) -> [Int]? {
    guard let input = optionalInput(i) else { return nil }
    let constant = try knownValue(i)
    var values: [Int] = []
    let n = input.shape.count
    switch input.dataType {
    case .int64:
      for k in 0..<n {
        values.append(Int(constant.loadUnaligned(fromByteOffset: k * 8, as: Int64.self)))
      }
    case .int32:
      for k in 0..<n {
        values.append(Int(constant.loadUnaligned(fromByteOffset: k * 4, as: Int32.self)))
      }
    default: throw error(.invalidType, "input \(i) must be int32 or int64 and is \(input.dataType)")
    }
    return values
  }

  /// As `constantInts`, for float32.
  public func constantFloats(_ i: Int) throws(ApusError) -> [Float]? {
    guard let input = optionalInput(i) else { return nil }
    try requireType(i, .float32)
    let constant = try knownValue(i)
    var values: [Float] = []
    for k in 0..<input.shape.count {
      values.append(constant.loadUnaligned(fromByteOffset: k * 4, as: Float.self))
    }
    return values
  }

  /// Appends an output after checking that its size can be computed with.
  public func setOutput(_ dataType: DataType, _ shape: Shape) throws(ApusError) {
    guard shape.checkedCount != nil else {
      throw error(.invalidShape, "output \(outputs.count) would be \(shape), too much to hold")
    }
    outputs.append(TensorInfo(dataType, shape))
  }

  /// Appends an output whose size depends on values that are not known yet: `bound` is the largest
  /// shape that it can have. With those values known, the shape rule is asked again and sets the
  /// exact shape with `setOutput`.
  public func setBoundedOutput(_ dataType: DataType, _ bound: Shape) throws(ApusError) {
    try setOutput(dataType, bound)
    outputs[outputs.count - 1].isBound = true
  }
}
