import ModelFormat
import Operators

extension Graph {
  /// The graph in the bytes of an .apus file.
  ///
  /// - Throws: GraphError with the reader's reason where the file is damaged or uses an operator that
  ///   is not in the registry.
  public convenience init(decoding bytes: [UInt8]) throws {
    self.init()
    do {
      try bytes.withUnsafeBytes { buffer in
        // The reader wants bytes to look at even where there are none.
        var nothing: UInt8 = 0
        try withUnsafeBytes(of: &nothing) { empty in
          let base = buffer.baseAddress ?? empty.baseAddress!
          try read(ModelFile(base, size: buffer.count, verifyWeights: true))
        }
      }
    } catch let error as ApusError { throw GraphError(error) }
  }

  /// The graph in an open file. Everything is copied.
  public convenience init(decoding file: ModelFile) throws {
    self.init()
    try read(file)
  }

  private func read(_ file: ModelFile) throws {
    let values = (0..<file.count(.tensors)).map { GraphDecoder.value(file, $0) }
    // Attributes may refer to any function, so all exist before their nodes are read.
    functions = (0..<file.count(.functions)).map {
      Function(String(file.functionName(file.function($0))))
    }
    func list(_ first: UInt32, _ count: Int) -> [Value?] {
      (0..<count).map {
        let t = file.index(Int(first) + $0)
        return t == Format.none ? nil : values[Int(t)]
      }
    }
    for (i, function) in functions.enumerated() {
      let r = file.function(i)
      function.inputs = list(r.inputs, Int(r.inputCount)).compactMap { $0 }
      function.outputs = list(r.outputs, Int(r.outputCount)).compactMap { $0 }
      for n in Int(r.firstNode)..<Int(r.firstNode + r.nodeCount) {
        let node = file.node(n)
        guard let definition = findOperator(opcode: node.opcode) else {
          throw GraphError("node \(n): operator number \(node.opcode) is unknown")
        }
        function.nodes.append(
          Node(
            String(definition.name), name: String(file.nodeName(n)),
            inputs: list(node.inputs, Int(node.inputCount)),
            outputs: list(node.outputs, Int(node.outputCount)),
            attributes: try GraphDecoder.attributes(file, n, definition, functions)))
      }
    }
    for i in 0..<file.count(.states) {
      let r = file.state(i)
      functions[Int(r.function)].stateUpdates.append(
        (state: values[Int(r.state)], next: values[Int(r.next)]))
    }
    metadata = (0..<file.count(.metadata)).map {
      let entry = file.metadata($0)
      return (String(entry.key), String(entry.value))
    }
  }
}

private enum GraphDecoder {
  static func value(_ file: ModelFile, _ i: Int) -> Value {
    let r = file.tensor(i)
    let value = Value(
      String(file.displayName(tensor: i)), DataType(rawValue: r.dataType)!,
      kind: TensorKind(rawValue: r.kind)!)
    if r.rank != TensorRecord.unstatedRank {
      let shape = file.declaredShape(r)
      value.shape = (0..<shape.rank).map { axis in
        let d = shape[axis]
        if d >= 0 { return .fixed(d) }
        return .free(d == -1 ? "" : String(file.symbol(-2 - d)))
      }
    }
    if value.kind == .activation { value.bound = value.fixedShape }
    if value.kind != .activation, r.offset != Format.noOffset {
      value.bytes = [UInt8](
        UnsafeRawBufferPointer(start: file.weightBytes(r.offset), count: Int(r.byteCount)))
    }
    value.isTrainable = value.kind == .weight && value.dataType == .float32
    if r.quantization != Format.none {
      let q = file.quantization(Int(r.quantization))
      let scales = file.weightBytes(q.scales)
      value.quantization = Quantization(
        axis: q.axis < 0 ? nil : Int(q.axis),
        scales: (0..<Int(q.count)).map {
          scales.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self)
        })
      if q.zeroPoints != Format.noOffset {
        let zeroPoints = file.weightBytes(q.zeroPoints)
        value.quantization!.zeroPoints = (0..<Int(q.count)).map {
          zeroPoints.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self)
        }
      }
    }
    return value
  }

  static func attributes(
    _ file: ModelFile, _ n: Int, _ definition: Operator, _ functions: [Function]
  ) throws -> [String: Attribute] {
    let node = file.node(n)
    var result: [String: Attribute] = [:]
    for k in 0..<Int(node.attributeCount) {
      let r = file.attribute(Int(node.attributes) + k)
      guard Int(r.key) < definition.attributes.count else {
        throw GraphError("node \(n) (\(definition.name)): attribute number \(r.key) is unknown")
      }
      let first = Int(truncatingIfNeeded: r.payload)
      let name = String(definition.attributes[Int(r.key)].name)
      switch AttributeType(rawValue: r.type)! {
      case .int: result[name] = .int(Int(Int64(bitPattern: r.payload)))
      case .float: result[name] = .float(Float(bitPattern: UInt32(truncatingIfNeeded: r.payload)))
      case .string: result[name] = .string(String(file.name(UInt32(first), r.count)))
      case .ints:
        result[name] = .ints((0..<Int(r.count)).map { Int(file.integer(first + $0)) })
      case .floats: result[name] = .floats((0..<Int(r.count)).map { file.real(first + $0) })
      case .function: result[name] = .function(functions[first])
      }
    }
    return result
  }
}
