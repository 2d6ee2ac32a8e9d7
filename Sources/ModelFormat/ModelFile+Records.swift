// The second pass: every record points inside its sections, and the graph is one that can be run
// from its first node to its last.

extension ModelFile {
  func checkRecords() throws(ApusError) {
    try checkStrings()
    for i in 0..<count(.symbols) { try checkSymbol(i) }
    for i in 0..<count(.quantization) { try checkQuantization(i) }
    for i in 0..<count(.tensors) { try checkTensor(i) }
    for i in 0..<count(.attributes) { try checkAttribute(i) }
    for i in 0..<count(.nodes) { try checkNode(i) }
    guard count(.functions) > 0 else {
      throw ApusError(.corruptFile, "functions: the file has none")
    }
    for i in 0..<count(.states) { try checkState(i) }
    try checkFunctions()
    for i in 0..<count(.metadata) { try checkMetadata(i) }
    try checkPackings()
  }

  /// Whether `count` records from `first` lie in the section.
  private func has(_ id: SectionID, _ first: UInt32, _ number: UInt32) -> Bool {
    UInt64(first) + UInt64(number) <= UInt64(count(id))
  }

  private func checkName(
    _ offset: UInt32, _ length: UInt32, _ section: StaticString, _ i: Int
  ) throws(ApusError) {
    guard has(.strings, offset, length) else {
      throw ApusError(.corruptFile, "\(section) \(i): its name lies outside the strings section")
    }
    guard startsCharacter(UInt64(offset)), startsCharacter(UInt64(offset) + UInt64(length)) else {
      throw ApusError(.corruptFile, "\(section) \(i): its name is not UTF-8")
    }
  }

  /// All texts at once: names may overlap, and each of them could be as long as the section.
  private func checkStrings() throws(ApusError) {
    guard name(0, UInt32(count(.strings))).isWellFormed else {
      throw ApusError(.corruptFile, "strings: the section is not UTF-8 without NUL")
    }
  }

  /// Whether a character, or the section's end, is at this offset in *strings*. What reaches from
  /// one such place to another in well-formed text is well-formed.
  private func startsCharacter(_ offset: UInt64) -> Bool {
    offset >= UInt64(count(.strings))
      || load(.strings, Int(offset), as: UInt8.self) & 0xC0 != 0x80
  }

  private func checkSymbol(_ i: Int) throws(ApusError) {
    try checkName(
      load(.symbols, i * 8, as: UInt32.self), load(.symbols, i * 8 + 4, as: UInt32.self),
      "symbol", i)
  }

  private func checkMetadata(_ i: Int) throws(ApusError) {
    for field in 0..<2 {
      let at = i * 16 + field * 8
      try checkName(
        load(.metadata, at, as: UInt32.self), load(.metadata, at + 4, as: UInt32.self),
        "metadata entry", i)
    }
  }

  /// Whether `bytes` from `offset` lie in the weights section, aligned to `alignment`.
  private func inWeights(_ offset: UInt64, _ bytes: UInt64, alignment: UInt64) -> Bool {
    let total = UInt64(section(.weights).size)
    return offset % alignment == 0 && offset <= total && bytes <= total - offset
  }

  private func checkQuantization(_ i: Int) throws(ApusError) {
    let r = quantization(i)
    guard r.axis >= -1, r.axis < Shape.maximumRank, r.count >= 1, r.axis >= 0 || r.count == 1
    else {
      throw ApusError(
        .corruptFile, "quantization \(i): \(r.count) scales along axis \(r.axis) make no sense")
    }
    let bytes = UInt64(r.count) * 4
    guard inWeights(r.scales, bytes, alignment: 4),
      r.zeroPoints == Format.noOffset || inWeights(r.zeroPoints, bytes, alignment: 4)
    else {
      throw ApusError(
        .corruptFile, "quantization \(i): its scales or zero points lie outside the weights")
    }
  }

  private func checkTensor(_ i: Int) throws(ApusError) {
    let r = tensor(i)
    guard let type = DataType(rawValue: r.dataType) else {
      throw ApusError(.corruptFile, "tensor \(i): element type \(r.dataType) does not exist")
    }
    guard let kind = TensorKind(rawValue: r.kind) else {
      throw ApusError(.corruptFile, "tensor \(i): kind \(r.kind) does not exist")
    }
    try checkName(r.nameOffset, r.nameLength, "tensor", i)
    if r.rank == TensorRecord.unstatedRank, kind == .activation {
      guard r.offset == Format.noOffset, r.byteCount == 0, r.quantization == Format.none else {
        throw ApusError(.corruptFile, "tensor \(i): an activation has no bytes in the file")
      }
      return
    }
    guard Int(r.rank) <= Shape.maximumRank else {
      throw ApusError(.corruptFile, "tensor \(i): rank \(r.rank); at most 8 is allowed")
    }
    guard has(.integers, r.dimensions, UInt32(r.rank)) else {
      throw ApusError(.corruptFile, "tensor \(i): its dimensions lie outside the integers section")
    }
    let symbols = Int64(count(.symbols))
    for axis in 0..<Int(r.rank) {
      let d = integer(Int(r.dimensions) + axis)
      guard d >= -1 - symbols, d <= Int64(Shape.maximumCount) else {
        throw ApusError(.corruptFile, "tensor \(i): dimension \(axis) is \(d)")
      }
    }
    let shape = declaredShape(r)
    if kind == .activation {
      guard r.offset == Format.noOffset, r.byteCount == 0 else {
        throw ApusError(.corruptFile, "tensor \(i): an activation has no bytes in the file")
      }
      guard !shape.isFixed || shape.checkedCount != nil else {
        throw ApusError(.corruptFile, "tensor \(i): \(shape) is more than a tensor can hold")
      }
    } else {
      guard let elements = shape.checkedCount else {
        throw ApusError(
          .corruptFile, "tensor \(i): \(shape) is no shape for a weight or a state")
      }
      let bytes = UInt64(elements) * UInt64(type.size)
      guard r.byteCount == bytes else {
        throw ApusError(
          .corruptFile,
          "tensor \(i): \(shape) of \(type) takes \(bytes) bytes; the file says \(r.byteCount)")
      }
      let zeroState = kind == .state && r.offset == Format.noOffset
      guard zeroState || inWeights(r.offset, bytes, alignment: UInt64(Format.alignment)) else {
        throw ApusError(.corruptFile, "tensor \(i): its bytes lie outside the weights section")
      }
      guard kind != .state || r.nameLength > 0 else {
        throw ApusError(.corruptFile, "tensor \(i): a state needs a name")
      }
    }
    if r.quantization != Format.none {
      guard Int(r.quantization) < count(.quantization) else {
        throw ApusError(.corruptFile, "tensor \(i): quantization \(r.quantization) does not exist")
      }
      let q = quantization(Int(r.quantization))
      guard type == .int8 || type == .uint8 || type == .int32,
        q.axis < 0 || (Int(q.axis) < shape.rank && shape[Int(q.axis)] == Int(q.count))
      else {
        throw ApusError(
          .corruptFile,
          "tensor \(i): \(q.count) scales along axis \(q.axis) do not fit \(shape) of \(type)")
      }
    }
  }

  private func checkAttribute(_ i: Int) throws(ApusError) {
    let r = attribute(i)
    guard let type = AttributeType(rawValue: r.type) else {
      throw ApusError(.corruptFile, "attribute \(i): type \(r.type) does not exist")
    }
    let first = UInt32(truncatingIfNeeded: r.payload)
    let inside: Bool
    switch type {
    case .int: inside = r.count == 1
    case .float: inside = r.count == 1 && r.payload <= UInt64(UInt32.max)
    case .string: inside = r.payload <= UInt64(UInt32.max) && has(.strings, first, r.count)
    case .ints: inside = r.payload <= UInt64(UInt32.max) && has(.integers, first, r.count)
    case .floats: inside = r.payload <= UInt64(UInt32.max) && has(.reals, first, r.count)
    case .function: inside = r.count == 1 && r.payload < UInt64(count(.functions))
    }
    guard inside else {
      throw ApusError(.corruptFile, "attribute \(i): its value lies outside its section")
    }
  }

  private func checkNode(_ i: Int) throws(ApusError) {
    let r = node(i)
    guard has(.indices, r.inputs, UInt32(r.inputCount)),
      has(.indices, r.outputs, UInt32(r.outputCount)),
      has(.attributes, r.attributes, UInt32(r.attributeCount))
    else {
      throw ApusError(
        .corruptFile, "node \(i): its inputs, outputs or attributes lie outside their sections")
    }
  }

  private func checkState(_ i: Int) throws(ApusError) {
    let r = state(i)
    guard Int(r.function) < count(.functions), Int(r.state) < count(.tensors),
      Int(r.next) < count(.tensors)
    else {
      throw ApusError(.corruptFile, "state \(i): its tensors or its function do not exist")
    }
    let s = tensor(Int(r.state))
    let n = tensor(Int(r.next))
    guard s.kind == TensorKind.state.rawValue, n.kind == TensorKind.activation.rawValue,
      s.dataType == n.dataType
    else {
      throw ApusError(
        .corruptFile,
        "state \(i): tensor \(r.state) must be a state, and tensor \(r.next) an activation of its type")
    }
  }

  /// Walks every function in order: an activation is written once, in one function, and there before
  /// it is read.
  private func checkFunctions() throws(ApusError) {
    // By tensor: the function that writes it, so far; -1 for none.
    var writer = [Int](repeating: -1, count: count(.tensors))
    var covered = 0
    var names: [Name] = []
    names.reserveCapacity(count(.functions))
    try checkListLengths()
    for f in 0..<count(.functions) {
      let r = function(f)
      try checkName(r.nameOffset, r.nameLength, "function", f)
      let functionName = functionName(r)
      guard !functionName.isEmpty else {
        throw ApusError(.corruptFile, "function \(f): it has no name")
      }
      names.append(functionName)
      guard has(.nodes, r.firstNode, r.nodeCount), has(.indices, r.inputs, r.inputCount),
        has(.indices, r.outputs, r.outputCount)
      else {
        throw ApusError(
          .corruptFile, "function \(functionName): its nodes, inputs or outputs do not exist")
      }
      guard Int(r.firstNode) == covered else {
        throw ApusError(
          .corruptFile, "function \(functionName): its nodes must follow the previous function's")
      }
      covered += Int(r.nodeCount)
      for i in 0..<Int(r.inputCount) {
        try define(index(Int(r.inputs) + i), &writer, f, inputOf: functionName)
      }
      try checkUniqueNames(r.inputs, r.inputCount, functionName)
      for n in Int(r.firstNode)..<(Int(r.firstNode) + Int(r.nodeCount)) {
        let node = node(n)
        for i in 0..<Int(node.inputCount) {
          let t = index(Int(node.inputs) + i)
          if t != Format.none { try checkReadable(t, writer, f, node: n) }
        }
        for i in 0..<Int(node.outputCount) {
          let t = index(Int(node.outputs) + i)
          if t != Format.none { try define(t, &writer, f, node: n) }
        }
      }
      for i in 0..<Int(r.outputCount) {
        let t = index(Int(r.outputs) + i)
        guard t != Format.none else {
          throw ApusError(.corruptFile, "function \(functionName): output \(i) is missing")
        }
        try checkReadable(t, writer, f)
        let record = tensor(Int(t))
        guard record.nameLength > 0, record.rank != TensorRecord.unstatedRank else {
          throw ApusError(
            .corruptFile, "function \(functionName): output \(i) needs a name and a shape")
        }
      }
      try checkUniqueNames(r.outputs, r.outputCount, functionName)
    }
    if let name = findDuplicate(names) {
      throw ApusError(.corruptFile, "functions: \(name) names two of them")
    }
    try checkStateUpdates(writer)
    guard covered == count(.nodes) else {
      throw ApusError(
        .corruptFile, "nodes: \(count(.nodes)) in the file, \(covered) in its functions")
    }
  }

  private func define(
    _ t: UInt32, _ writer: inout [Int], _ f: Int, node: Int = -1, inputOf function: Name? = nil
  ) throws(ApusError) {
    guard Int(t) < writer.count, tensor(Int(t)).kind == TensorKind.activation.rawValue,
      writer[Int(t)] < 0
    else {
      if let function {
        throw ApusError(
          .corruptFile, "function \(function): input tensor \(t) is no activation of its own")
      }
      throw ApusError(
        .corruptFile, "node \(node): output tensor \(t) is no activation, or written before")
    }
    if let function {
      let r = tensor(Int(t))
      guard r.nameLength > 0, r.rank != TensorRecord.unstatedRank else {
        throw ApusError(
          .corruptFile, "function \(function): input tensor \(t) needs a name and a shape")
      }
    }
    writer[Int(t)] = f
  }

  private func checkReadable(
    _ t: UInt32, _ writer: [Int], _ f: Int, node: Int = -1
  ) throws(ApusError) {
    guard Int(t) < writer.count else {
      throw unreadable(f, node, "tensor \(t) does not exist")
    }
    guard tensor(Int(t)).kind != TensorKind.activation.rawValue || writer[Int(t)] == f else {
      throw unreadable(f, node, "tensor \(t) is read before it is written in this function")
    }
  }

  private func unreadable(_ f: Int, _ node: Int, _ problem: Message) -> ApusError {
    node >= 0
      ? ApusError(.corruptFile, "node \(node): \(problem)")
      : ApusError(.corruptFile, "function \(functionName(function(f))): \(problem)")
  }

  private func checkUniqueNames(
    _ first: UInt32, _ number: UInt32, _ function: Name
  ) throws(ApusError) {
    var names: [Name] = []
    names.reserveCapacity(Int(number))
    for i in 0..<Int(number) { names.append(tensorName(tensor(Int(index(Int(first) + i))))) }
    if let name = findDuplicate(names) {
      throw ApusError(.corruptFile, "function \(function): \(name) names two of its tensors")
    }
  }
}
