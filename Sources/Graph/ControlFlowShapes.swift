import ModelFormat
import Operators

extension Node {
  /// Tells bodies which of the tensors passed to them have a size that only a run finds.
  func passBounds() {
    // A Loop's own first two are numbers, the body's are its counter and its condition.
    let first = definition?.control == .loop ? 2 : 0
    for case .function(let body) in attributes.values {
      let passed = inputs.suffix(body.inputs.count)
      for (outer, inner) in zip(passed, body.inputs).dropFirst(first) {
        inner.isBound = outer?.isBound ?? false
      }
    }
  }
}

/// The outputs of If, Loop and Scan, from the outputs of their bodies, whose shapes are known by then.
extension FreeDimensions {
  func inferControl(_ node: Node, _ control: ControlFlow) throws {
    switch control {
    case .branch: try inferBranch(node)
    case .loop: try inferLoop(node)
    case .scan: try inferScan(node)
    }
  }

  private func body(_ node: Node, _ attribute: String, outputs: Int) throws -> [Value] {
    guard case .function(let function)? = node.attributes[attribute] else {
      throw GraphError("node \(node.displayName): its \(attribute) is missing")
    }
    guard function.outputs.count == outputs else {
      throw GraphError(
        "node \(node.displayName): its \(attribute) has \(function.outputs.count) outputs; "
          + "\(outputs) are wanted")
    }
    return function.outputs
  }

  /// The inputs before those that its bodies capture.
  private func own(_ node: Node) throws -> Int {
    let captures = node.int("captures", default: 0)
    guard (0...node.inputs.count).contains(captures) else {
      throw GraphError("node \(node.displayName): it captures more than its inputs")
    }
    return node.inputs.count - captures
  }

  private func set(
    _ output: Value?, _ type: DataType, _ shape: [Dimension], isBound: Bool,
    isComputed: Bool = false, _ node: Node
  ) throws {
    guard let output else { return }
    guard shape.count <= Shape.maximumRank else {
      throw GraphError(
        "node \(node.displayName): its output would have rank \(shape.count); at most "
          + "\(Shape.maximumRank) is supported")
    }
    output.dataType = type
    output.shape = shape
    output.isBound = isBound
    guard !isBound || output.fixedShape != nil || isComputed else {
      throw GraphError(
        "node \(node.displayName): \(output.name) has a shape that only a run finds; a fixed one "
          + "must be stated as its bound")
    }
    try bind(output)
  }

  // MARK: If

  private func inferBranch(_ node: Node) throws {
    let then = try body(node, "then_branch", outputs: node.outputs.count)
    let other = try body(node, "else_branch", outputs: node.outputs.count)
    for (i, output) in node.outputs.enumerated() {
      let (a, b) = (then[i], other[i])
      guard let first = a.shape, let second = b.shape else {
        throw GraphError("node \(node.displayName): the shape of its output \(i) is not known")
      }
      if first == second, !a.isBound, !b.isBound {
        try set(output, a.logicalType, first, isBound: false, node)
      } else if let x = a.count, let y = b.count {
        try set(output, a.logicalType, x >= y ? first : second, isBound: true, node)
      } else {
        let bound = output?.bound?.map { Dimension.fixed($0) }
        // The planner knows the sizes, and takes the larger.
        try set(output, a.logicalType, bound ?? first, isBound: true, isComputed: true, node)
      }
    }
  }

  // MARK: Loop

  private func inferLoop(_ node: Node) throws {
    let carried = try own(node) - 2
    let results = try body(node, "body", outputs: node.outputs.count + 1)
    guard carried >= 0, carried <= node.outputs.count, node.inputs.count >= 2 else {
      throw GraphError("node \(node.displayName): it has too few inputs or outputs")
    }
    for (i, output) in node.outputs.enumerated() {
      let result = results[i + 1]
      guard let shape = result.shape else {
        throw GraphError("node \(node.displayName): the shape of its output \(i) is not known")
      }
      if i < carried {
        let initial = node.inputs[i + 2]
        let isSame = initial?.shape == shape && !result.isBound
        let bound = output?.bound?.map { Dimension.fixed($0) }
        try set(
          output, result.logicalType, isSame ? shape : bound ?? shape, isBound: !isSame,
          // A carried value never has more room than what it starts from.
          isComputed: initial?.isBound ?? false, node)
        continue
      }
      let count = iterations(node)
      guard let length = count ?? output?.bound?.first.map({ .fixed($0) }) else {
        throw GraphError(
          "node \(node.displayName): output \(i) has an element for each iteration; their number "
            + "must be a constant, or the output's shape stated")
      }
      try set(
        output, result.logicalType, [length] + shape, isBound: count == nil || mayStop(node),
        // The planner knows the bound: each iteration that there may be.
        isComputed: count != nil && !result.isBound, node)
    }
  }

  /// The trip count, where shapes alone decide it; exporters write 2⁶³ − 1 where there is none.
  private func iterations(_ node: Node) -> Dimension? {
    guard let value = node.inputs[0], let count = scalar(value) else { return nil }
    if let n = count.fixed, n < 0 || n > Int(Int32.max) { return nil }
    return count
  }

  private func mayStop(_ node: Node) -> Bool {
    if let condition = node.inputs[1] {
      guard condition.kind == .weight, condition.bytes.first ?? 0 != 0 else { return true }
    }
    guard case .function(let body)? = node.attributes["body"], body.inputs.count > 1 else {
      return true
    }
    var last = body.outputs[0]
    while let producer = body.producer(of: last), producer.op == "Identity",
      let source = producer.input(0)
    { last = source }
    return last !== body.inputs[1] && !(last.kind == .weight && last.bytes.first ?? 0 != 0)
  }

  // MARK: Scan

  private func inferScan(_ node: Node) throws {
    let sliced = node.int("num_scan_inputs", default: 1)
    let states = try own(node) - min(max(sliced, 0), node.inputs.count)
    let results = try body(node, "body", outputs: node.outputs.count)
    guard sliced > 0, states >= 0, states <= node.outputs.count, node.inputs.count > states,
      let first = node.inputs[states]?.shape, !first.isEmpty
    else { throw GraphError("node \(node.displayName): it has too few inputs or outputs") }
    let inAxis = node.ints("scan_input_axes")?.first ?? 0
    let length = first[min(max(inAxis < 0 ? inAxis + first.count : inAxis, 0), first.count - 1)]
    let axes = node.ints("scan_output_axes") ?? []
    for (i, output) in node.outputs.enumerated() {
      guard var shape = results[i].shape else {
        throw GraphError("node \(node.displayName): the shape of its output \(i) is not known")
      }
      if i >= states {
        let axis = i - states < axes.count ? axes[i - states] : 0
        let at = axis < 0 ? axis + shape.count + 1 : axis
        guard (0...shape.count).contains(at) else {
          throw GraphError("node \(node.displayName): it has no axis \(axis)")
        }
        shape.insert(length, at: at)
      }
      try set(output, results[i].logicalType, shape, isBound: results[i].isBound, node)
    }
  }
}
