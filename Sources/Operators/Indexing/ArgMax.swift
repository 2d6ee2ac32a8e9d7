import ModelFormat

// The position of the greatest or smallest element along an axis, as int64: the first of equals, or
// with `select_last_index` the last. NaN counts as what is looked for, as in NumPy.

private func argOperator(_ opcode: UInt16, _ name: StaticString, isMax: Bool) -> Operator {
  Operator(
    opcode: opcode, name: name,
    attributes: [
      AttributeSpec("axis", .int), AttributeSpec("keepdims", .int),
      AttributeSpec("select_last_index", .int),
    ],
    inputs: 1...1, notes: "NaN counts as what is looked for.",
    infer: { (context) throws(ApusError) in
      try context.requireNumbers(0)
      let x = context.input(0).shape
      let axis = try context.normalizedAxis(context.int("axis", default: 0), rank: x.rank)
      let keeps = context.int("keepdims", default: 1) != 0
      var shape = Shape()
      for d in 0..<x.rank {
        if d != axis { shape.append(x[d]) } else if keeps { shape.append(1) }
      }
      try context.setOutput(.int64, shape)
      try context.require(
        x[axis] > 0 || context.outputs[0].shape.count == 0, "axis \(axis) of \(x) has no entries")
    },
    plan: { (context) throws(ApusError) in
      let node = context.node
      let x = node.input(0)
      if node.outputs[0].shape.count == 0 { return }
      let axis = try node.normalizedAxis(node.int("axis", default: 0), rank: x.shape.rank)
      context.emit(
        ArgStep(
          context.input(0), context.output(0), x.dataType, AxisLines(x.shape, axis: axis),
          isMax: isMax, isLast: node.int("select_last_index", default: 0) != 0),
        work: x.shape.count * 4)
    })
}

/// ONNX ArgMax.
let argMaxOperator = argOperator(191, "ArgMax", isMax: true)
/// ONNX ArgMin.
let argMinOperator = argOperator(192, "ArgMin", isMax: false)

private final class ArgStep: Step {
  let x: Slot
  let y: Slot
  let type: DataType
  let lines: AxisLines
  let isMax: Bool
  let isLast: Bool

  init(_ x: Slot, _ y: Slot, _ type: DataType, _ lines: AxisLines, isMax: Bool, isLast: Bool) {
    self.x = x
    self.y = y
    self.type = type
    self.lines = lines
    self.isMax = isMax
    self.isLast = isLast
  }

  override func run(_ memory: Memory, _ share: Share) {
    let source = UnsafeRawPointer(memory[x])
    let y = memory[y]
    for line in share.part(of: lines.count) {
      let start = lines.start(line)
      var best = key(source, start)
      var found = 0
      var i = 1
      while i < lines.length {
        let k = key(source, start &+ i &* lines.stride)
        if k > best || (isLast && k == best) {
          best = k
          found = i
        }
        i &+= 1
      }
      storeInteger(found, y, line, .int64)
    }
  }

  /// Greatest for what is looked for.
  @inline(__always) private func key(_ p: UnsafeRawPointer, _ i: Int) -> Int {
    let k = orderedKey(p, i, type)
    if isMax || (type == .float32 && k == Int(Int32.max)) { return k }
    return ~k
  }
}
