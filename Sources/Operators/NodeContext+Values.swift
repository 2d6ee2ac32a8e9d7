import ModelFormat

// What depends on values: bounds where only a run knows them, results where they are known already.
// The planner and the converter's shape inference both go by these.

extension NodeContext {
  /// Asks the shape rule. Where it lacks a value that only a run knows, the bounds that `stated` has
  /// for each wanted output stand in, if it has all of them, or else the shapes that the largest
  /// values lead to. What reads a tensor of unknown size is of unknown size.
  public func inferOutputs(
    orBounds stated: (_ output: Int) -> TensorInfo?
  ) throws(ApusError) {
    do throws(ApusError) {
      try definition.infer(self)
    } catch {
      guard missesValue, takeBounds(stated) || takeExpected() else { throw error }
    }
    for input in inputs where input?.isBound == true {
      for i in outputs.indices { outputs[i].isBound = true }
    }
    takeTighterBounds(stated)
  }

  /// The file may know a smaller bound than the shape rule.
  private func takeTighterBounds(_ stated: (Int) -> TensorInfo?) {
    for i in outputs.indices where outputs[i].isBound && wantsOutput(i) {
      let output = outputs[i]
      if let info = stated(i), info.dataType == output.dataType,
        info.shape.rank == output.shape.rank, let count = info.shape.checkedCount,
        count < output.shape.count
      {
        outputs[i].shape = info.shape
      }
    }
  }

  private func takeBounds(_ stated: (Int) -> TensorInfo?) -> Bool {
    outputs = []
    for i in 0..<outputCount {
      guard wantsOutput(i) else {
        outputs.append(TensorInfo(.float32, Shape(0)))
        continue
      }
      guard var info = stated(i), info.shape.checkedCount != nil else { return false }
      info.isBound = true
      outputs.append(info)
    }
    return true
  }

  private func takeExpected() -> Bool {
    guard let context = ifBoundsWereReached() else { return false }
    outputs = context.outputs
    for i in outputs.indices {
      outputs[i].constant = nil
      outputs[i].isBound = true
    }
    return true
  }

  /// The node on inputs that are as large as they can be, after its shape rule.
  private func ifBoundsWereReached() -> NodeContext? {
    var largest = inputs
    for i in largest.indices where largest[i] != nil {
      if largest[i]!.constant == nil { largest[i]!.constant = largest[i]!.expected }
      largest[i]!.isBound = false
    }
    let context = NodeContext(
      file: file, record: record, definition: definition, nodeIndex: nodeIndex, nodeName: nodeName,
      inputs: largest)
    do throws(ApusError) { try definition.infer(context) } catch { return nil }
    return context
  }

  /// The node for computing what its outputs' values are expected to be, where its inputs tell and
  /// that takes no more than `limit` bytes. Only for outputs that are not known.
  public func expectation(within limit: Int) -> NodeContext? {
    var isExpected = false
    for input in inputs where input != nil && input!.constant == nil {
      guard input!.expected != nil || definition.dependsOnShapesOnly else { return nil }
      isExpected = true
    }
    guard isExpected, let context = ifBoundsWereReached(),
      context.outputs.count == outputs.count
    else { return nil }
    var bytes = 0
    for i in outputs.indices {
      // What is computed must have the size that readers take it to have.
      guard context.outputs[i].shape == outputs[i].shape, !context.outputs[i].isBound,
        context.outputs[i].dataType == outputs[i].dataType
      else { return nil }
      context.outputs[i].constant = nil
      bytes += outputs[i].byteCount
    }
    return bytes <= limit ? context : nil
  }

  /// Whether the output is a mask of which nothing is known. All of it may be true, and as many
  /// elements be chosen by it.
  public func isUnknownMask(within limit: Int) -> Bool {
    guard outputs.count == 1, outputs[0].dataType == .bool, outputs[0].constant == nil,
      outputs[0].byteCount <= limit
    else { return false }
    for input in inputs where input != nil {
      if input!.constant == nil, input!.expected == nil || input!.dataType == .bool { return true }
    }
    return false
  }

  /// The known values of the inputs, nil where one is left out or not known: what an immediate run
  /// reads.
  public var inputValues: [UnsafeMutableRawPointer?] {
    var values: [UnsafeMutableRawPointer?] = []
    values.reserveCapacity(inputs.count)
    for input in inputs {
      values.append(input?.constant.map { UnsafeMutableRawPointer(mutating: $0) })
    }
    return values
  }

  /// Only the run finds the outputs' shapes.
  public var hasBoundOutput: Bool {
    for output in outputs where output.isBound { return true }
    return false
  }

  /// Whether the outputs can be computed at once: from nothing but known values, and no more than
  /// `limit` bytes, for which shape arithmetic never needs much.
  public func canBeComputed(within limit: Int) -> Bool {
    if hasBoundOutput { return false }
    var bytes = 0
    for i in 0..<outputCount {
      if outputs[i].constant != nil { return false }
      bytes += outputs[i].byteCount
    }
    guard outputCount > 0, bytes <= limit else { return false }
    if definition.dependsOnShapesOnly { return true }
    for input in inputs where input != nil && input!.constant == nil { return false }
    return true
  }
}
