import ModelFormat
import Operators

/// Writes the records of a graph: numbers for values, pooled texts and dimension lists.
final class GraphEncoder {
  let writer = ModelFileWriter()
  private var strings: [String: UInt32] = [:]
  private var dimensionLists: [[Int64]: UInt32] = [:]
  private var symbols: [String: Int] = [:]
  private var tensors: [ObjectIdentifier: UInt32] = [:]
  private var functions: [ObjectIdentifier: Int] = [:]
  /// Where weights lie, by their bytes: what several tensors have is stored once.
  private var weights: [[UInt8]: UInt64] = [:]
  private var tensorNames: [[UInt8]] = []
  private var nodeNames: [[UInt8]] = []

  // MARK: Texts and dimensions

  private func text(_ string: String) -> (offset: UInt32, length: UInt32) {
    let bytes = [UInt8](string.utf8)
    if bytes.isEmpty { return (0, 0) }
    let offset = strings[string] ?? writer.append(string: bytes)
    strings[string] = offset
    return (offset, UInt32(bytes.count))
  }

  private func dimensions(_ shape: [Dimension]) -> UInt32 {
    let list = shape.map { dimension -> Int64 in
      switch dimension {
      case .fixed(let d): return Int64(d)
      case .free(""): return -1
      case .free(let name):
        if let k = symbols[name] { return Int64(-2 - k) }
        let k = symbols.count
        symbols[name] = k
        let (offset, length) = text(name)
        writer.append(symbol: offset, length: length)
        return Int64(-2 - k)
      }
    }
    if let first = dimensionLists[list] { return first }
    let first = UInt32(writer.count(.integers))
    for d in list { writer.append(integer: d) }
    dimensionLists[list] = first
    return first
  }

  // MARK: Tensors

  /// Gives each value its number and its record.
  ///
  /// - Parameters:
  ///   - named: Whether its name belongs into the file itself: inputs, outputs and states.
  ///   - stated: Whether its shape does.
  func add(_ value: Value, named: Bool, stated: Bool) throws {
    tensors[ObjectIdentifier(value)] = UInt32(tensors.count)
    var record = TensorRecord()
    record.dataType = value.dataType.rawValue
    record.kind = value.kind.rawValue
    if named || value.kind == .state {
      (record.nameOffset, record.nameLength) = text(value.name)
      tensorNames.append([])
    } else {
      tensorNames.append([UInt8](value.name.utf8))
    }
    if stated || value.kind != .activation {
      guard let shape = value.shape, shape.count <= Shape.maximumRank else {
        throw GraphError("tensor \(value.name): its shape is not known")
      }
      record.rank = UInt8(shape.count)
      record.dimensions = dimensions(shape)
    } else {
      record.rank = TensorRecord.unstatedRank
    }
    if value.kind != .activation {
      guard let count = value.count else {
        throw GraphError("tensor \(value.name): \(value.shape!.text) is no shape for a weight or state")
      }
      record.byteCount = UInt64(count * value.dataType.size)
      if value.kind == .weight || !value.bytes.isEmpty {
        guard value.bytes.count == Int(record.byteCount) else {
          throw GraphError(
            "tensor \(value.name): \(value.shape!.text) of \(value.dataType.name) takes "
              + "\(record.byteCount) bytes; it has \(value.bytes.count)")
        }
        record.offset = offset(ofWeight: value.bytes)
      }
    }
    // Of what lies between nodes these say it themselves.
    if stated || value.kind != .activation, let q = value.quantization {
      record.quantization = add(q)
    }
    writer.append(record)
  }

  private func offset(ofWeight bytes: [UInt8]) -> UInt64 {
    if let known = weights[bytes] { return known }
    let offset = writer.append(weight: bytes)
    weights[bytes] = offset
    return offset
  }

  private func add(_ q: Quantization) -> UInt32 {
    let number = UInt32(writer.count(.quantization))
    var record = QuantizationRecord()
    record.axis = Int32(q.axis ?? -1)
    record.count = UInt32(q.scales.count)
    record.scales = offset(ofWeight: q.scales.withUnsafeBytes { [UInt8]($0) })
    if !q.zeroPoints.isEmpty {
      record.zeroPoints = offset(ofWeight: q.zeroPoints.withUnsafeBytes { [UInt8]($0) })
    }
    writer.append(record)
    return number
  }

  private func index(_ value: Value?) -> UInt32 {
    value.flatMap { tensors[ObjectIdentifier($0)] } ?? Format.none
  }

  private func list(_ values: [Value?]) -> UInt32 {
    let first = UInt32(writer.count(.indices))
    for value in values { writer.append(index: index(value)) }
    return first
  }

  // MARK: Nodes and functions

  func number(_ list: [Function]) {
    for (i, function) in list.enumerated() { functions[ObjectIdentifier(function)] = i }
  }

  func add(_ node: Node, as definition: Operator) throws {
    var record = NodeRecord()
    record.opcode = definition.opcode
    record.inputCount = UInt16(node.inputs.count)
    record.outputCount = UInt16(node.outputs.count)
    record.inputs = list(node.inputs)
    record.outputs = list(node.outputs)
    record.attributes = UInt32(writer.count(.attributes))
    record.attributeCount = UInt16(node.attributes.count)
    let names = definition.attributes.map { String($0.name) }
    for name in node.attributes.keys.sorted() {
      guard let key = names.firstIndex(of: name) else {
        throw GraphError("node \(node.displayName): \(definition.name) has no attribute \(name)")
      }
      try add(node.attributes[name]!, key, definition.attributes[key], node)
    }
    writer.append(record)
    nodeNames.append([UInt8](node.name.utf8))
  }

  private func add(_ attribute: Attribute, _ key: Int, _ spec: AttributeSpec, _ node: Node) throws {
    var record = AttributeRecord()
    record.key = UInt16(key)
    record.type = spec.type.rawValue
    record.count = 1
    switch (spec.type, attribute) {
    case (.int, .int(let v)): record.payload = UInt64(bitPattern: Int64(v))
    case (.float, .float(let v)): record.payload = UInt64(v.bitPattern)
    case (.float, .int(let v)): record.payload = UInt64(Float(v).bitPattern)
    case (.string, .string(let v)):
      let (offset, length) = text(v)
      record.payload = UInt64(offset)
      record.count = length
    case (.ints, .ints(let v)):
      record.payload = UInt64(writer.count(.integers))
      record.count = UInt32(v.count)
      for x in v { writer.append(integer: Int64(x)) }
    case (.floats, .floats(let v)): append(v, &record)
    case (.floats, .ints(let v)): append(v.map { Float($0) }, &record)
    case (.function, .function(let f)): record.payload = UInt64(functions[ObjectIdentifier(f)] ?? 0)
    default:
      throw GraphError(
        "node \(node.displayName): attribute \(spec.name) must be of type \(spec.type)")
    }
    writer.append(record)
  }

  private func append(_ values: [Float], _ record: inout AttributeRecord) {
    record.payload = UInt64(writer.count(.reals))
    record.count = UInt32(values.count)
    for x in values { writer.append(real: x) }
  }

  func add(_ function: Function, firstNode: Int) {
    var record = FunctionRecord()
    (record.nameOffset, record.nameLength) = text(function.name)
    record.firstNode = UInt32(firstNode)
    record.nodeCount = UInt32(function.nodes.count)
    record.inputs = list(function.inputs)
    record.inputCount = UInt32(function.inputs.count)
    record.outputs = list(function.outputs)
    record.outputCount = UInt32(function.outputs.count)
    for update in function.stateUpdates {
      var state = StateRecord()
      state.state = index(update.state)
      state.next = index(update.next)
      state.function = UInt32(writer.count(.functions))
      writer.append(state)
    }
    writer.append(record)
  }

  func add(metadataKey key: String, value: String) {
    let k = text(key)
    let v = text(value)
    writer.append(metadataKey: k.offset, length: k.length, value: v.offset, length: v.length)
  }

  func addDebugNames() { writer.append(debugNamesOfTensors: tensorNames, nodes: nodeNames) }
}

extension Graph {
  /// The graph as an .apus file.
  ///
  /// The outputs' shapes are inferred first; they and the inputs' are stated in the file, those of
  /// the tensors in between are not (the runtime infers them again for each session).
  ///
  /// - Parameter debugNames: whether the names of nodes and of inner tensors go along.
  /// - Throws: GraphError where the graph is none that the runtime can run, with its reason.
  public func encode(debugNames: Bool = true) throws -> [UInt8] {
    try inferShapes()
    let encoder = GraphEncoder()
    var boundary: Set<ObjectIdentifier> = []
    for function in functions {
      for value in function.inputs + function.outputs { boundary.insert(ObjectIdentifier(value)) }
    }
    for value in values {
      let named = boundary.contains(ObjectIdentifier(value))
      if named, value.name.isEmpty {
        throw GraphError("an input or output of the graph has no name")
      }
      try encoder.add(value, named: named, stated: named || value.isBound)
    }
    encoder.number(functions)
    var firstNode = 0
    for function in functions {
      for node in function.nodes {
        guard let definition = node.definition else {
          throw GraphError("node \(node.displayName): the runtime has no operator of this name")
        }
        try encoder.add(node, as: definition)
      }
      encoder.add(function, firstNode: firstNode)
      firstNode += function.nodes.count
    }
    for entry in metadata { encoder.add(metadataKey: entry.key, value: entry.value) }
    if debugNames { encoder.addDebugNames() }
    let file = encoder.writer.finish()
    // What the reader would refuse is refused here, with its words.
    do {
      try file.withUnsafeBytes { bytes in
        _ = try ModelFile(bytes.baseAddress!, size: bytes.count, verifyWeights: false)
      }
    } catch let error as ApusError { throw GraphError(error) }
    return file
  }
}
