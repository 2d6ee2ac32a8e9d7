import ModelFormat

// What depends on values: bounds where only a run knows them, results where they are known already.
// The planner and the converter's shape inference both go by these.

extension NodeContext {
  /// Asks the shape rule. Where it lacks a value that only a run knows, the bounds that `stated` has
  /// for each wanted output stand in, if it has all of them. What reads a tensor of unknown size is
  /// of unknown size.
  public func inferOutputs(
    orBounds stated: (_ output: Int) -> TensorInfo?
  ) throws(ApusError) {
    do throws(ApusError) {
      try definition.infer(self)
    } catch {
      guard missesValue, takeBounds(stated) else { throw error }
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
