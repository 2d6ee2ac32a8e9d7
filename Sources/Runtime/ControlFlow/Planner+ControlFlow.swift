import ModelFormat
import Operators

/// If, Loop and Scan. A body's steps stand in the plan's list where they run, so that lifetimes, one
/// arena and threads work as everywhere; what a body reads from outside, and what survives an
/// iteration, is marked as used until the loop's end.
extension Planner {
  mutating func planControl(
    _ control: ControlFlow, node n: Int
  ) throws(ApusError) {
    let node = contextOfNode(n)
    let start = plan.steps.count
    let isOutermost = outerNode == nil
    if isOutermost { outerNode = n }
    switch control {
    case .branch: try planBranch(node)
    case .loop: try planLoop(node)
    case .scan: try planScan(node)
    }
    if isOutermost { outerNode = nil }
    note(node)
    try noteOutputs(node)
    let end = max(start, plan.steps.count - 1)
    for slot in slotList(node.record.inputs, node.inputs.count) where slot >= 0 {
      touch(slot, start, end)
    }
    for slot in slotList(node.record.outputs, node.outputCount) where slot >= 0 {
      touch(slot, start, end)
    }
  }

  /// A body about to be planned: its inputs and outputs, as tensors.
  mutating func enterBody(
    _ attribute: StaticString, _ node: NodeContext, inputs: Int, outputs: Int
  ) throws(ApusError) -> Body {
    let index = try node.function(attribute)
    guard !isPlanned[index] else {
      throw node.error(
        .unsupported,
        "\(attribute): function \(file.functionName(file.function(index))) is in use elsewhere")
    }
    isPlanned[index] = true
    let record = file.function(index)
    let body = Body(
      function: index, inputs: slotList(record.inputs, Int(record.inputCount)),
      outputs: slotList(record.outputs, Int(record.outputCount)))
    guard body.inputs.count == inputs, body.outputs.count == outputs else {
      throw node.error(
        .invalidModel,
        "\(attribute) has \(body.inputs.count) inputs and \(body.outputs.count) outputs; \(inputs) and \(outputs) are wanted"
      )
    }
    return body
  }

  struct Body {
    let function: Int
    let inputs: [Int]
    let outputs: [Int]
  }

  /// The number of the node's captured tensors.
  func captures(_ node: NodeContext, besides others: Int) throws(ApusError) -> Int {
    let n = node.int("captures", default: 0)
    guard n >= 0, n <= node.inputs.count - others else {
      throw node.error(
        .invalidModel, "captures is \(n), but there are \(node.inputs.count) inputs")
    }
    return n
  }

  /// The body's input is the outer tensor itself: it is only read.
  mutating func pass(_ outer: Int, into t: Int, _ node: NodeContext) throws(ApusError) {
    guard outer >= 0, let info = plan.tensors[outer] else {
      throw node.error(.invalidModel, "a captured input is missing")
    }
    try note(info, of: t, node)
    root[t] = root[outer]
    rootOffset[t] = rootOffset[outer]
    role[t] = role[outer]
    if info.isBound { transfer(outer, t, node, onlyShape: true) }
  }

  /// The body's input has memory of its own, which an iteration or the outside writes.
  mutating func makeBuffer(_ info: TensorInfo, of t: Int, _ node: NodeContext) throws(ApusError) {
    var info = info
    info.constant = nil
    try note(info, of: t, node)
    giveMemory(t, info)
  }

  private mutating func note(
    _ info: TensorInfo, of t: Int, _ node: NodeContext
  ) throws(ApusError) {
    guard file.tensor(t).dataType == info.dataType.rawValue else {
      throw node.error(
        .invalidModel,
        "its body's \(file.tensorName(file.tensor(t))) is not of type \(info.dataType)")
    }
    plan.tensors[t] = info
    if info.isBound { plan.trackShape(tensor: t) }
  }

  mutating func transfer(
    _ from: Int, _ to: Int, _ node: NodeContext, onlyShape: Bool = false
  ) {
    let step = plan.steps.count
    append(TransferStep(plan, from: from, to: to, onlyShape: onlyShape), node.nodeIndex)
    touch(from, step, step)
    touch(to, step, step)
    plan.canFail = true
  }

  /// The tensor that a node's output is; nil where it is left out.
  func outputTensor(_ node: NodeContext, _ i: Int) -> Int? {
    let t = file.index(Int(node.record.outputs) + i)
    return t == Format.none ? nil : Int(t)
  }

  // MARK: If

  mutating func planBranch(_ node: NodeContext) throws(ApusError) {
    guard let condition = node.inputs[0], condition.dataType == .bool, condition.shape.count == 1
    else { throw node.error(.invalidType, "the condition must be one bool") }
    let inputs = slotList(node.record.inputs, node.inputs.count)
    let branch = BranchStep(Slot(inputs[0]))
    append(branch, node.nodeIndex)
    let first = try planOneBranch("then_branch", node, inputs)
    let jump = JumpStep()
    append(jump, node.nodeIndex)
    branch.elseTarget = plan.steps.count
    let second = try planOneBranch("else_branch", node, inputs)
    jump.target = plan.steps.count
    for i in 0..<node.outputCount {
      let a = plan.tensors[first.outputs[i]]!
      let b = plan.tensors[second.outputs[i]]!
      guard a.dataType == b.dataType else {
        throw node.error(
          .invalidType, "output \(i) is \(a.dataType) of one branch and \(b.dataType) of the other")
      }
      var info = TensorInfo(a.dataType, a.byteCount >= b.byteCount ? a.shape : b.shape)
      info.isBound = a.isBound || b.isBound || !(a.shape == b.shape)
      node.outputs.append(info)
      if let t = outputTensor(node, i) { giveMemory(t, info) }
    }
  }

  private mutating func planOneBranch(
    _ attribute: StaticString, _ node: NodeContext, _ inputs: [Int]
  ) throws(ApusError) -> Body {
    let body = try enterBody(
      attribute, node, inputs: inputs.count - 1, outputs: node.outputCount)
    for (i, t) in body.inputs.enumerated() { try pass(inputs[i + 1], into: t, node) }
    try planNodes(of: body.function)
    for i in 0..<node.outputCount {
      if let t = outputTensor(node, i) { transfer(body.outputs[i], t, node) }
    }
    return body
  }
}
