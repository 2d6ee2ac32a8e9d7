import ModelFormat
import Operators

extension Planner {
  // MARK: Loop

  mutating func planLoop(_ node: NodeContext) throws(ApusError) {
    let inputs = slotList(node.record.inputs, node.inputs.count)
    let captured = try captures(node, besides: 2)
    let carried = inputs.count - 2 - captured
    let stacked = node.outputCount - carried
    guard stacked >= 0 else {
      throw node.error(
        .invalidModel, "\(node.outputCount) outputs, but \(carried) values are carried")
    }
    let start = plan.steps.count
    let body = try enterBody(
      "body", node, inputs: inputs.count, outputs: 1 + carried + stacked)
    var control = LoopControl(iteration: Slot(body.inputs[0]))
    if let maximum = node.inputs[0] {
      guard maximum.dataType == .int64, maximum.shape.count == 1 else {
        throw node.error(.invalidType, "the number of iterations must be one int64")
      }
      control.maximum = Slot(inputs[0])
      if let value = maximum.constant?.loadUnaligned(as: Int64.self) {
        control.fixedMaximum = Int(max(value, 0))
      }
    }
    if let condition = node.inputs[1] {
      guard condition.dataType == .bool, condition.shape.count == 1 else {
        throw node.error(.invalidType, "the condition must be one bool")
      }
      control.initialCondition = Slot(inputs[1])
    }
    try makeBuffer(TensorInfo(.int64, oneElement(body.inputs[0])), of: body.inputs[0], node)
    try makeBuffer(TensorInfo(.bool, oneElement(body.inputs[1])), of: body.inputs[1], node)
    control.condition = Slot(body.inputs[1])
    control.nextCondition = Slot(body.outputs[0])
    try carryIn(inputs, from: 2, body, from: 2, carried, node)
    for i in 0..<captured {
      try pass(inputs[2 + carried + i], into: body.inputs[2 + carried + i], node)
    }

    let begin = LoopBeginStep(control)
    append(begin, node.nodeIndex)
    let bodyStart = plan.steps.count
    try planNodes(of: body.function)
    guard let condition = plan.tensors[body.outputs[0]], condition.dataType == .bool,
      condition.shape.count == 1
    else { throw node.error(.invalidType, "the body's condition must be one bool") }
    let stops = mayStop(body, node)
    guard stops || control.maximum != nil else {
      throw node.error(.invalidModel, "the loop would never end")
    }
    noteCarried(body, inputs: 2, outputs: 1, carried, node)
    for k in 0..<stacked {
      try stack(
        body.outputs[1 + carried + k], output: carried + k, axis: 0, node,
        length: try iterations(control, output: carried + k, node),
        isExact: !stops && control.fixedMaximum != nil, control.iteration)
    }
    try carryOn(body, inputs: 2, outputs: 1, carried, node)
    let end = plan.steps.count
    append(LoopEndStep(control, start: bodyStart), node.nodeIndex)
    begin.exit = plan.steps.count
    leave(body, inputs: 2, carried, node, control.iteration)
    keep(body.inputs[..<(2 + carried)], from: start)
    touch(body.outputs[0], bodyStart, end)
  }

  /// Rank 0, or 1 where the body says so.
  private func oneElement(_ t: Int) -> Shape {
    file.tensor(t).rank == 1 ? Shape(1) : Shape()
  }

  /// Whether the condition may end the loop before the iterations are used up.
  private func mayStop(_ body: Body, _ node: NodeContext) -> Bool {
    if let initial = node.inputs[1] {
      guard let value = initial.constant, value.load(as: UInt8.self) != 0 else { return true }
    }
    let condition = body.outputs[0]
    if let value = plan.tensors[condition]?.constant { return value.load(as: UInt8.self) == 0 }
    return root[condition] != root[body.inputs[1]]
  }

  /// The most iterations for which a stack has room.
  private func iterations(
    _ control: LoopControl, output i: Int, _ node: NodeContext
  ) throws(ApusError) -> Int {
    // Exporters write 2⁶³ − 1 where the condition alone ends the loop.
    if let n = control.fixedMaximum, n <= Int(Int32.max) { return n }
    if let t = outputTensor(node, i) {
      let stated = file.tensor(t)
      if stated.rank != TensorRecord.unstatedRank, stated.rank > 0 {
        let n = file.declaredShape(stated)[0]
        if n >= 0 { return n }
      }
    }
    throw node.error(
      .unsupported,
      "output \(i) has an element for each iteration: their number must be constant, or the output's shape stated"
    )
  }

  // MARK: Scan

  mutating func planScan(_ node: NodeContext) throws(ApusError) {
    let inputs = slotList(node.record.inputs, node.inputs.count)
    let captured = try captures(node, besides: 0)
    let sliced = node.int("num_scan_inputs", default: 1)
    let states = inputs.count - captured - sliced
    guard sliced > 0, states >= 0, node.outputCount >= states else {
      throw node.error(
        .invalidModel, "num_scan_inputs is \(sliced), but there are \(inputs.count) inputs")
    }
    let start = plan.steps.count
    let body = try enterBody("body", node, inputs: inputs.count, outputs: node.outputCount)
    let counter = addSlot(8, .scratch)
    var control = LoopControl(iteration: Slot(counter))
    try carryIn(inputs, from: 0, body, from: 0, states, node)
    var stacks: [Stack] = []
    for i in 0..<sliced {
      let stack = try slices(node, i, input: states + i, body.inputs[states + i])
      if let first = stacks.first, first.length != stack.length {
        throw node.error(
          .invalidShape, "its inputs have \(first.length) and \(stack.length) slices")
      }
      stacks.append(stack)
    }
    control.fixedMaximum = stacks[0].length
    for i in states + sliced..<inputs.count { try pass(inputs[i], into: body.inputs[i], node) }

    let begin = LoopBeginStep(control)
    append(begin, node.nodeIndex)
    let bodyStart = plan.steps.count
    for i in 0..<sliced {
      append(
        SliceStep(
          plan, Slot(inputs[states + i]), Slot(body.inputs[states + i]), stacks[i],
          control.iteration, stores: false), node.nodeIndex)
    }
    try planNodes(of: body.function)
    noteCarried(body, inputs: 0, outputs: 0, states, node)
    let axes = node.ints("scan_output_axes") ?? []
    let directions = node.ints("scan_output_directions") ?? []
    for k in 0..<(node.outputCount - states) {
      try stack(
        body.outputs[states + k], output: states + k, axis: k < axes.count ? axes[k] : 0, node,
        length: stacks[0].length, isExact: true, control.iteration,
        isReversed: k < directions.count && directions[k] == 1)
    }
    try carryOn(body, inputs: 0, outputs: 0, states, node)
    append(LoopEndStep(control, start: bodyStart), node.nodeIndex)
    begin.exit = plan.steps.count
    leave(body, inputs: 0, states, node, control.iteration)
    keep(body.inputs[..<(states + sliced)], from: start)
    touch(counter, start, max(start, plan.steps.count - 1))
  }

  /// The slices of a scanned input, and the body's buffer for one of them.
  private mutating func slices(
    _ node: NodeContext, _ k: Int, input i: Int, _ t: Int
  ) throws(ApusError) -> Stack {
    guard let info = node.inputs[i], !info.isBound, info.shape.rank > 0 else {
      throw node.error(.unsupported, "input \(i) must have slices, their number known")
    }
    let axes = node.ints("scan_input_axes") ?? []
    let directions = node.ints("scan_input_directions") ?? []
    let axis = try node.normalizedAxis(k < axes.count ? axes[k] : 0, rank: info.shape.rank)
    var slice = Shape()
    for d in 0..<info.shape.rank where d != axis { slice.append(info.shape[d]) }
    try makeBuffer(TensorInfo(info.dataType, slice), of: t, node)
    return Stack(
      info.shape, axis: axis, info.dataType,
      isReversed: k < directions.count && directions[k] == 1)
  }

  // MARK: What both have in common

  /// Buffers for the carried values, and copies of what they start from.
  @inline(never)
  private mutating func carryIn(
    _ inputs: [Int], from first: Int, _ body: Body, from bodyFirst: Int, _ count: Int,
    _ node: NodeContext
  ) throws(ApusError) {
    for i in 0..<count {
      guard let info = node.inputs[first + i] else {
        throw node.error(.invalidModel, "the carried value of input \(first + i) is missing")
      }
      try makeBuffer(info, of: body.inputs[bodyFirst + i], node)
      transfer(inputs[first + i], body.inputs[bodyFirst + i], node)
    }
  }

  /// The node's first outputs are the carried values after the last iteration.
  @inline(never)
  private func noteCarried(
    _ body: Body, inputs: Int, outputs: Int, _ count: Int, _ node: NodeContext
  ) {
    for i in 0..<count {
      var info = plan.tensors[body.inputs[inputs + i]]!
      info.constant = nil
      node.outputs.append(info)
    }
  }

  /// The copies at an iteration's end. One that another's input is the source of goes through memory
  /// of its own, so that their order does not matter.
  private mutating func carryOn(
    _ body: Body, inputs: Int, outputs: Int, _ count: Int, _ node: NodeContext
  ) throws(ApusError) {
    var sources: [Slot] = []
    for i in 0..<count {
      let from = body.outputs[outputs + i]
      let to = body.inputs[inputs + i]
      let value = plan.tensors[from]!
      let target = plan.tensors[to]!
      guard value.dataType == target.dataType, value.shape == target.shape || target.isBound else {
        throw node.error(
          .unsupported,
          "carried value \(i) is \(target.shape) before an iteration and \(value.shape) after it")
      }
      sources.append(Slot(from))
      if value.isBound, !target.isBound { check(from, node) }
      guard !target.isBound, root[from] != root[to] else { continue }
      for other in 0..<count where root[body.inputs[inputs + other]] == root[from] {
        let copy = addSlot(value.byteCount, .scratch)
        let step = plan.steps.count
        append(CopyStep(from: Slot(from), offset: 0, to: Slot(copy), value.byteCount), node.nodeIndex)
        touch(from, step, step)
        touch(copy, step, step)
        sources[i] = Slot(copy)
        break
      }
    }
    for i in 0..<count {
      let from = body.outputs[outputs + i]
      let to = body.inputs[inputs + i]
      if plan.tensors[to]!.isBound {
        transfer(from, to, node)
      } else if root[from] != root[to] || rootOffset[from] != rootOffset[to] {
        let step = plan.steps.count
        append(
          CopyStep(from: sources[i], offset: 0, to: Slot(to), plan.tensors[to]!.byteCount),
          node.nodeIndex)
        touch(Int(sources[i].index), step, step)
      }
    }
  }

  /// Stores an iteration's value into output `i`.
  @inline(never)
  private mutating func stack(
    _ value: Int, output i: Int, axis: Int, _ node: NodeContext, length: Int, isExact: Bool,
    _ iteration: Slot, isReversed: Bool = false
  ) throws(ApusError) {
    let slice = plan.tensors[value]!
    if slice.isBound { check(value, node) }
    guard slice.shape.rank < Shape.maximumRank else {
      throw node.error(.invalidShape, "output \(i) would have more than 8 dimensions")
    }
    let axis = try node.normalizedAxis(axis, rank: slice.shape.rank + 1)
    var shape = Shape()
    for d in 0...slice.shape.rank {
      if d == axis { shape.append(length) }
      if d < slice.shape.rank { shape.append(slice.shape[d]) }
    }
    try node.setOutput(slice.dataType, shape)
    if !isExact { node.outputs[i].isBound = true }
    guard let t = outputTensor(node, i) else { return }
    giveMemory(t, node.outputs[i])
    let step = plan.steps.count
    append(
      SliceStep(
        plan, Slot(t), Slot(value), Stack(shape, axis: axis, slice.dataType, isReversed: isReversed),
        iteration, stores: true), node.nodeIndex)
    touch(value, step, step)
    plan.canFail = true
  }

  /// A value of a bounded shape is used as one of exactly this shape.
  @inline(never)
  private mutating func check(_ t: Int, _ node: NodeContext) {
    append(ShapeCheckStep(plan, tensor: t), node.nodeIndex)
    plan.canFail = true
  }

  /// Behind the loop: carried values are outputs where they lie; stacks get their length.
  @inline(never)
  private mutating func leave(
    _ body: Body, inputs: Int, _ carried: Int, _ node: NodeContext, _ iteration: Slot
  ) {
    for i in 0..<node.outputCount {
      guard let t = outputTensor(node, i) else { continue }
      if i >= carried {
        if node.outputs[i].isBound {
          append(StackShapeStep(plan, tensor: t, iteration: iteration), node.nodeIndex)
        }
        continue
      }
      let source = body.inputs[inputs + i]
      giveMemory(t, node.outputs[i])
      root[t] = root[source]
      rootOffset[t] = rootOffset[source]
      if node.outputs[i].isBound { transfer(source, t, node, onlyShape: true) }
    }
  }

  /// What survives an iteration is in use from before the first to after the last.
  @inline(never)
  private mutating func keep(_ inputs: ArraySlice<Int>, from start: Int) {
    let end = max(start, plan.steps.count - 1)
    for t in inputs { touch(t, start, end) }
  }
}
