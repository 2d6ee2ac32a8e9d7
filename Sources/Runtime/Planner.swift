import CKernels
import CSystem
import ModelFormat
import Operators

/// Walks a function's nodes, asks their operators for shapes and steps, and decides which tensors
/// share memory.
///
/// Every tensor has a root: itself, or the tensor whose memory it is a view of or takes over. A
/// root that is a function input or a state lives in the arena from the first step to the last.
struct Planner {
  let plan: Plan
  let model: Model
  var file: ModelFile { model.file }

  /// By slot: the slot whose memory this one uses, and from which byte.
  var root: [Int]
  var rootOffset: [Int]
  /// By slot: bytes of the slot itself (roots only count).
  var byteCount: [Int]
  var role: [Role]
  /// By slot: first and last step that touch it; for a root all that share it.
  private var firstStep: [Int]
  private var lastStep: [Int]
  private var requests: [Request] = []
  private var packedOfSlot: [Int]
  /// By tensor: where it lies in channel blocks, if it does.
  var blocked: [BlockedTensor?]
  let readers: Readers
  /// By node: its outputs are computed by the steps of one before it.
  private var isDone: [Bool]
  /// See PlanContext.
  private var largestConvolution = 0
  /// The recurrent layer that was planned last, with those before it that it is computed with.
  private var stack: (layers: RecurrentStack, step: Int)?

  /// A tensor in channel blocks.
  struct BlockedTensor {
    let slot: Int
    let blocks: ChannelBlocks
    /// Made from the plain tensor; otherwise it is what the node computed.
    let isCopy: Bool
    /// Its plain slot does not hold it.
    var isAlone: Bool
  }

  /// While a body is planned: the node of the planned function that runs it.
  var outerNode: Int?
  /// By function: whether it is planned, as the main one or as a body.
  var isPlanned: [Bool]

  enum Role: UInt8 { case unused, constant, input, state, activation, scratch, packed }

  /// A node's wish that an output take an input's memory.
  private struct Request {
    let from: Int
    let to: Int
    let step: Int
    let endStep: Int
  }

  init(_ plan: Plan) {
    self.plan = plan
    model = plan.model
    let count = plan.tensors.count
    root = []
    root.reserveCapacity(count * 2)
    for i in 0..<count { root.append(i) }
    rootOffset = [Int](repeating: 0, count: count)
    byteCount = [Int](repeating: 0, count: count)
    role = [Role](repeating: .unused, count: count)
    firstStep = [Int](repeating: Int.max, count: count)
    lastStep = [Int](repeating: -1, count: count)
    packedOfSlot = [Int](repeating: -1, count: count)
    blocked = [BlockedTensor?](repeating: nil, count: count)
    isPlanned = [Bool](repeating: false, count: plan.model.file.count(.functions))
    isPlanned[plan.functionIndex] = true
    readers = Readers(plan.model.file)
    isDone = [Bool](repeating: false, count: plan.model.file.count(.nodes))
    for t in 0..<count {
      guard let info = plan.tensors[t] else { continue }
      byteCount[t] = info.byteCount
      role[t] =
        info.constant != nil
        ? .constant : file.tensor(t).kind == TensorKind.state.rawValue ? .state : .input
    }
  }

  // MARK: Nodes

  func note(_ node: NodeContext) {
    if outerNode == nil { plan.nodes.append(node) } else { plan.bodyNodes.append(node) }
  }

  /// Also the bodies of control flow, where they stand.
  mutating func planNodes(of function: Int) throws(ApusError) {
    let record = file.function(function)
    let first = Int(record.firstNode)
    for n in first..<(first + Int(record.nodeCount)) {
      if let control = model.definition(node: n).control {
        for t in slotList(file.node(n).inputs, Int(file.node(n).inputCount)) { makePlain(t, n) }
        try planControl(control, node: n)
        continue
      }
      let node = try inferNode(n)
      note(node)
      if isDone[n] { continue }
      if node.hasBoundOutput {
        planLate(node)
        try expect(node)
      } else if node.canBeComputed(within: Planner.maximumComputedBytes) {
        try evaluate(node)
      } else {
        try planNode(node)
        try expect(node)
      }
    }
  }

  /// Shapes of the node's outputs, checked against what the file states of them.
  private func inferNode(_ n: Int) throws(ApusError) -> NodeContext {
    let node = contextOfNode(n)
    try node.inferOutputs { statedOutput(node, $0) }
    try noteOutputs(node)
    return node
  }

  /// The node with what is known of its inputs.
  func contextOfNode(_ n: Int) -> NodeContext {
    let record = file.node(n)
    var inputs: [TensorInfo?] = []
    inputs.reserveCapacity(Int(record.inputCount))
    for i in 0..<Int(record.inputCount) {
      let t = file.index(Int(record.inputs) + i)
      inputs.append(t == Format.none ? nil : plan.tensors[Int(t)])
    }
    return NodeContext(
      file: file, record: record, definition: model.definition(node: n), nodeIndex: n,
      nodeName: file.nodeName(n), inputs: inputs)
  }

  /// Takes what was inferred of the node's outputs over into the plan, checked against the file.
  func noteOutputs(_ node: NodeContext) throws(ApusError) {
    let record = node.record
    guard node.outputs.count >= node.outputCount else {
      throw node.error(
        .invalidModel, "\(node.outputCount) outputs are asked for; it has \(node.outputs.count)")
    }
    for i in 0..<node.outputCount {
      let t = file.index(Int(record.outputs) + i)
      if t == Format.none { continue }
      let info = node.outputs[i]
      let stated = file.tensor(Int(t))
      guard stated.dataType == info.dataType.rawValue else {
        throw node.error(
          .invalidModel,
          "output \(i) is \(info.dataType), but the file states type \(stated.dataType)")
      }
      if stated.rank != TensorRecord.unstatedRank, !info.isBound {
        let shape = file.declaredShape(stated)
        var fits = shape.rank == info.shape.rank
        if fits {
          for axis in 0..<shape.rank where shape[axis] >= 0 && shape[axis] != info.shape[axis] {
            fits = false
          }
        }
        guard fits else {
          throw node.error(
            .invalidModel, "output \(i) is \(info.shape), but the file states \(shape)")
        }
      }
      plan.tensors[Int(t)] = info
      if info.isBound { plan.trackShape(tensor: Int(t)) }
    }
  }

  /// What the file states of a node's output: a bound, where only a run finds the shape.
  private func statedOutput(_ node: NodeContext, _ i: Int) -> TensorInfo? {
    let stated = file.tensor(Int(file.index(Int(node.record.outputs) + i)))
    guard stated.rank != TensorRecord.unstatedRank, let type = DataType(rawValue: stated.dataType)
    else { return nil }
    return TensorInfo(type, file.declaredShape(stated))
  }

  private mutating func planLate(_ node: NodeContext) {
    let outputs = slotList(node.record.outputs, node.outputCount)
    let inputs = slotList(node.record.inputs, node.inputs.count)
    for slot in inputs { makePlain(slot, node.nodeIndex) }
    let step = plan.steps.count
    for slot in inputs where slot >= 0 { touch(slot, step, step) }
    for slot in outputs where slot >= 0 {
      giveMemory(slot, plan.tensors[slot]!)
      touch(slot, step, step)
    }
    let size = LateStep.workspaceSize(node)
    let workspace = addSlot(size, .scratch)
    touch(workspace, step, step)
    append(
      LateStep(plan, nodeIndex: node.nodeIndex, workspace: Slot(workspace), workspaceSize: size),
      node.nodeIndex)
    plan.canFail = true
  }

  /// Shape arithmetic is small; anything larger is the converter's work, not that of every session.
  private static var maximumComputedBytes: Int { 65_536 }

  private mutating func evaluate(_ node: NodeContext) throws(ApusError) {
    var outputs: [UnsafeMutableRawPointer?] = []
    for slot in slotList(node.record.outputs, node.outputCount) {
      if slot < 0 {
        outputs.append(nil)
        continue
      }
      let memory = try plan.allocateValue(plan.tensors[slot]!.byteCount)
      plan.tensors[slot]!.constant = UnsafeRawPointer(memory)
      role[slot] = .constant
      outputs.append(memory)
    }
    let control = apus_sys_flush_denormals()
    defer { apus_sys_restore_float_control(control) }
    try ImmediateRun.perform(node, model.kernels, inputs: node.inputValues, outputs: outputs)
  }

  /// Computes what small outputs would be if every bound were reached: the sizes of what follows.
  private func expect(_ node: NodeContext) throws(ApusError) {
    let limit = Planner.maximumComputedBytes
    let isMask = node.isUnknownMask(within: limit)
    let context = isMask ? node : node.expectation(within: limit)
    guard let context else { return }
    let slots = slotList(node.record.outputs, node.outputCount)
    var outputs: [UnsafeMutableRawPointer?] = []
    for slot in slots {
      outputs.append(slot < 0 ? nil : try plan.allocateValue(plan.tensors[slot]!.byteCount))
    }
    if isMask {
      if let mask = outputs[0] { memset(mask, 1, node.outputs[0].byteCount) }
    } else {
      do throws(ApusError) {
        try ImmediateRun.perform(
          context, model.kernels, inputs: context.inputValues, outputs: outputs)
      } catch { return }
    }
    for (i, slot) in slots.enumerated() where slot >= 0 {
      plan.tensors[slot]!.expected = outputs[i].map { UnsafeRawPointer($0) }
    }
  }

  private mutating func planNode(_ node: NodeContext) throws(ApusError) {
    let inputs = slotList(node.record.inputs, node.inputs.count)
    var outputs = slotList(node.record.outputs, node.outputCount)
    let behind = mayUseBlocks ? nodesBehind(node) : nil
    let context = PlanContext(
      node: node, kernels: UnsafePointer(model.kernels), matrixKernels: plan.matrixKernels,
      threads: plan.threads, usesWinograd: plan.options.usesWinograd, inputSlots: inputs,
      outputSlots: outputs, firstNewSlot: root.count,
      blockedInputs: mayUseBlocks ? inputs.map { $0 < 0 ? -1 : blocked[$0]?.slot ?? -1 } : nil,
      largestConvolution: largestConvolution, epilogue: behind?.epilogue)
    try node.definition.plan(context)
    largestConvolution = context.largestConvolution
    addSlots(context)
    // What the node reads and writes, whatever its layout.
    var read: [Int] = []
    for (i, t) in inputs.enumerated() where t >= 0 {
      if context.plainInputs[i] || context.blockedInputs[i] < 0 {
        makePlain(t, node.nodeIndex)
        read.append(t)
      }
      if context.blockedInputs[i] >= 0 { read.append(context.blockedInputs[i]) }
    }
    if context.takesEpilogue, let behind {
      outputs = [behind.output]
      if let addend = behind.epilogue.addend { read.append(Int(addend.index)) }
      for n in behind.nodes { isDone[n] = true }
    }
    noteBlocked(context, inputs, outputs)
    var written: [Int] = []
    for (i, t) in outputs.enumerated() {
      if context.blockedOutputs[i] >= 0 {
        written.append(context.blockedOutputs[i])
      } else if t >= 0 {
        giveMemory(t, plan.tensors[t]!)
        written.append(t)
      }
    }

    let start = joinSteps(context) ? plan.steps.count - 1 : plan.steps.count
    if start == plan.steps.count {
      for step in context.steps { append(step, node.nodeIndex) }
    }
    for view in context.views {
      let isBlocked = context.blockedOutputs[view.output] >= 0
      let from = isBlocked ? context.blockedInputs[view.input] : inputs[view.input]
      let to = isBlocked ? context.blockedOutputs[view.output] : outputs[view.output]
      if to < 0 { continue }
      if mayView(from, to) {
        root[to] = root[from]
        rootOffset[to] = rootOffset[from] + view.byteOffset
      } else {
        append(
          CopyStep(from: Slot(from), offset: view.byteOffset, to: Slot(to), byteCount[to]),
          node.nodeIndex)
      }
    }
    // A node that does nothing still reads its inputs where it stands.
    let end = max(start, plan.steps.count - 1)
    for slot in read { touch(slot, start, end) }
    for slot in written { touch(slot, start, end) }
    for slot in context.firstSlotOfNode..<root.count where !isBlocked(slot, context) {
      touch(slot, start, end)
    }
    for pair in context.inPlace {
      let isBlocked = context.blockedOutputs[pair.output] >= 0
      let from = isBlocked ? context.blockedInputs[pair.input] : inputs[pair.input]
      let to = isBlocked ? context.blockedOutputs[pair.output] : outputs[pair.output]
      if from >= 0, to >= 0, isReadOnce(from, read) {
        requests.append(Request(from: from, to: to, step: start, endStep: end))
      }
    }
    if context.takesEpilogue, let from = behind?.epilogue.addend.map({ Int($0.index) }),
      isReadOnce(from, read)
    {
      requests.append(
        Request(from: from, to: context.blockedOutputs[0], step: start, endStep: end))
    }
  }

  /// Lets the step before compute the node as well, where the two gain by it.
  private mutating func joinSteps(_ context: PlanContext) -> Bool {
    guard plan.options.joinsNodes, plan.threads > 1, outerNode == nil,
      let layer = context.recurrentLayer
    else { return false }
    let last = plan.steps.count - 1
    if let stack, stack.step == last,
      stack.layers.add(
        layer,
        isSame: { (a, b) in
          let (a, b) = (Int(a.index), Int(b.index))
          return root[a] == root[b] && rootOffset[a] == rootOffset[b]
        })
    {
      plan.steps[last] = stack.layers
      return true
    }
    stack = (RecurrentStack(layer), last + 1)
    return false
  }

  /// Whether only one of the node's inputs lies in this memory: another may be read in another order.
  private func isReadOnce(_ slot: Int, _ inputs: [Int]) -> Bool {
    var readers = 0
    for other in inputs where other >= 0 && root[other] == root[slot] { readers += 1 }
    return readers == 1
  }

  // MARK: Channel blocks

  /// Bodies run any number of times, or not at all: what they compute stays plain.
  private var mayUseBlocks: Bool { outerNode == nil }

  private func isBlocked(_ slot: Int, _ context: PlanContext) -> Bool {
    for new in context.newBlocked where new.slot == slot { return true }
    return false
  }

  /// Takes up the tensors that a node wants in channel blocks, and copies inputs that are not.
  private mutating func noteBlocked(
    _ context: PlanContext, _ inputs: [Int], _ outputs: [Int]
  ) {
    for new in context.newBlocked {
      role[new.slot] = .activation
      switch new.role {
      case .output(let i):
        if outputs[i] >= 0 {
          blocked[outputs[i]] = BlockedTensor(
            slot: new.slot, blocks: new.blocks, isCopy: false, isAlone: true)
        }
      case .input(let i):
        let t = inputs[i]
        blocked[t] = BlockedTensor(
          slot: new.slot, blocks: new.blocks, isCopy: true, isAlone: false)
        copy(new.blocks, from: t, to: new.slot, intoBlocks: true, context.node.nodeIndex)
      }
    }
  }

  /// Makes sure that a tensor's own slot holds it as the model lays it out.
  private mutating func makePlain(_ t: Int, _ node: Int) {
    guard t >= 0, let tensor = blocked[t], tensor.isAlone else { return }
    blocked[t]!.isAlone = false
    giveMemory(t, plan.tensors[t]!)
    copy(tensor.blocks, from: tensor.slot, to: t, intoBlocks: false, node)
  }

  private mutating func copy(
    _ blocks: ChannelBlocks, from: Int, to: Int, intoBlocks: Bool, _ node: Int
  ) {
    let step = plan.steps.count
    append(
      ChannelBlocksStep(
        UnsafePointer(model.kernels), blocks, from: Slot(from), to: Slot(to),
        intoBlocks: intoBlocks, threads: plan.threads), node)
    touch(from, step, step)
    touch(to, step, step)
  }

  @inline(never)
  func slotList(_ first: UInt32, _ count: Int) -> [Int] {
    var slots: [Int] = []
    slots.reserveCapacity(count)
    for i in 0..<count {
      let t = file.index(Int(first) + i)
      slots.append(t == Format.none ? -1 : Int(t))
    }
    return slots
  }

  /// Slots for the scratch memory and the packed weights that a node asked for.
  private mutating func addSlots(_ context: PlanContext) {
    let first = root.count
    for bytes in context.scratchByteCounts {
      _ = addSlot(bytes ?? 0, bytes == nil ? .packed : .scratch)
    }
    for packing in context.packed {
      packedOfSlot[Int(packing.slot.index)] = plan.packed.count
      plan.packed.append(packing)
    }
    context.firstSlotOfNode = first
  }

  mutating func addSlot(_ bytes: Int, _ newRole: Role) -> Int {
    root.append(root.count)
    rootOffset.append(0)
    byteCount.append(bytes)
    role.append(newRole)
    firstStep.append(Int.max)
    lastStep.append(-1)
    packedOfSlot.append(-1)
    return root.count - 1
  }

  /// The tensor is written in the run, into memory of its own.
  mutating func giveMemory(_ t: Int, _ info: TensorInfo) {
    role[t] = .activation
    byteCount[t] = info.byteCount
  }

  mutating func append(_ step: Step, _ node: Int) {
    plan.steps.append(step)
    plan.stepNodes.append(outerNode ?? node)
  }

  mutating func touch(_ slot: Int, _ first: Int, _ last: Int) {
    let r = root[slot]
    firstStep[r] = min(firstStep[r], first)
    lastStep[r] = max(lastStep[r], last)
  }

  /// A view of a state is a copy where it outlives the run: the state changes under it.
  private func mayView(_ from: Int, _ to: Int) -> Bool {
    guard role[root[from]] == .state else { return true }
    return !isFunctionOutput(to) && !isNextState(to)
  }

  private func isFunctionOutput(_ t: Int) -> Bool {
    for i in 0..<Int(plan.function.outputCount)
    where Int(file.index(Int(plan.function.outputs) + i)) == t { return true }
    return false
  }

  private func isNextState(_ t: Int) -> Bool {
    for i in 0..<file.count(.states) {
      let s = file.state(i)
      if Int(s.function) == plan.functionIndex, Int(s.next) == t { return true }
    }
    return false
  }

  // MARK: Outputs and states

  mutating func finish() throws(ApusError) {
    makeOutputsPlain()
    placeOutputs()
    let updates = try findStateUpdates()
    let end = plan.steps.count
    // What is read after the last node stays until then.
    for slot in plan.outputSlots { touch(slot, end, end) }
    for update in updates { touch(update.next, end, end) }
    takeOverInputs()
    updateStates(updates)
    makeBuffers()
  }

  private mutating func makeOutputsPlain() {
    for i in 0..<Int(plan.function.outputCount) {
      makePlain(Int(file.index(Int(plan.function.outputs) + i)), -1)
    }
    for i in 0..<file.count(.states) where Int(file.state(i).function) == plan.functionIndex {
      makePlain(Int(file.state(i).next), -1)
    }
    for t in blocked.indices {
      guard let tensor = blocked[t] else { continue }
      plan.blocked.append(
        Plan.Blocked(tensor: t, slot: tensor.slot, blocks: tensor.blocks, isCopy: tensor.isCopy))
    }
  }

  /// An output that is no activation of its own (an input, a state or a weight passed on) is copied.
  private mutating func placeOutputs() {
    for i in 0..<Int(plan.function.outputCount) {
      let t = Int(file.index(Int(plan.function.outputs) + i))
      plan.outputTensors.append(t)
      if role[root[t]] == .activation {
        plan.outputSlots.append(t)
        continue
      }
      let slot = addSlot(plan.tensors[t]!.byteCount, .activation)
      let step = plan.steps.count
      touch(slot, step, step)
      append(CopyStep(from: Slot(t), offset: 0, to: Slot(slot), byteCount[slot]), -1)
      touch(t, step, step)
      plan.outputSlots.append(slot)
    }
  }

  private struct StateUpdate {
    let state: Int
    let next: Int
  }

  private mutating func findStateUpdates() throws(ApusError) -> [StateUpdate] {
    var updates: [StateUpdate] = []
    for i in 0..<file.count(.states) {
      let r = file.state(i)
      guard Int(r.function) == plan.functionIndex else { continue }
      let state = Int(r.state)
      let next = Int(r.next)
      let shape = plan.tensors[state]!.shape
      guard let info = plan.tensors[next], info.shape == shape else {
        throw ApusError(
          .invalidModel,
          "state \(file.tensorName(file.tensor(state))) is \(shape), but its next value is \(plan.tensors[next]?.shape ?? Shape())"
        )
      }
      updates.append(StateUpdate(state: state, next: next))
    }
    return updates
  }

  /// Outputs that may take an input's memory do so, where nobody needs the input any more.
  private mutating func takeOverInputs() {
    for request in requests {
      let from = root[request.from]
      let to = request.to
      guard root[to] == to, role[from] == .activation, rootOffset[request.from] == 0,
        byteCount[from] == byteCount[to], lastStep[from] <= request.endStep
      else { continue }
      // Both are whole roots: everything that shares `to` moves over.
      for slot in root.indices where root[slot] == to { root[slot] = from }
      lastStep[from] = max(lastStep[from], lastStep[to])
    }
  }

  /// A state's next value is computed in the state's own memory where the old value has been read by
  /// then; elsewhere it is copied at the end.
  private mutating func updateStates(_ updates: [StateUpdate]) {
    var copies: [StateUpdate] = []
    for update in updates {
      if canComputeInPlace(update) {
        let next = root[update.next]
        for slot in root.indices where root[slot] == next { root[slot] = update.state }
        touch(update.state, firstStep[next], lastStep[next])
      } else {
        copies.append(update)
      }
    }
    for update in copies {
      append(
        CopyStep(
          from: Slot(update.next), offset: 0, to: Slot(update.state), byteCount[update.state]), -1)
    }
  }

  private func canComputeInPlace(_ update: StateUpdate) -> Bool {
    let next = root[update.next]
    guard next == update.next, role[next] == .activation,
      byteCount[next] == byteCount[update.state]
    else { return false }
    for slot in plan.outputSlots where root[slot] == next { return false }
    // Another state that takes the same value needs it in memory of its own.
    let born = firstStep[next]
    let lastRead = lastStep[update.state]
    if lastRead < born { return true }
    for request in requests
    where request.to == update.next && request.from == update.state
      && lastRead <= request.endStep
    {
      return true
    }
    return false
  }

  // MARK: Buffers

  private func makeBuffers() {
    let end = plan.steps.count
    var bufferOfRoot = [Int](repeating: -1, count: root.count)
    var tensorOfSlot = [Int](repeating: -1, count: root.count)
    for t in plan.tensors.indices { tensorOfSlot[t] = t }
    for tensor in plan.blocked { tensorOfSlot[tensor.slot] = tensor.tensor }
    for slot in root.indices where root[slot] == slot {
      switch role[slot] {
      case .unused, .constant, .packed: continue
      case .input where !plan.inputTensors.contains(slot): continue
      case .state where !isState(slot): continue
      default: break
      }
      var buffer = Buffer(byteCount: byteCount[slot], firstStep: 0, lastStep: end)
      buffer.isScratch = role[slot] == .scratch
      buffer.tensor = tensorOfSlot[slot]
      if role[slot] == .activation || role[slot] == .scratch {
        buffer.firstStep = min(firstStep[slot], end)
        buffer.lastStep = lastStep[slot]
      }
      if role[slot] == .state {
        plan.stateTensors.append(slot)
        plan.stateBytes += byteCount[slot]
      }
      bufferOfRoot[slot] = plan.buffers.count
      plan.buffers.append(buffer)
    }
    plan.slots.reserveCapacity(root.count)
    for slot in root.indices {
      let r = root[slot]
      if role[r] == .constant, let constant = plan.tensors[r]!.constant {
        plan.slots.append(.constant(constant + rootOffset[slot]))
      } else if packedOfSlot[slot] >= 0 {
        plan.slots.append(.packed(packedOfSlot[slot]))
      } else if bufferOfRoot[r] >= 0 {
        plan.slots.append(.buffer(bufferOfRoot[r], offset: rootOffset[slot]))
      } else {
        plan.slots.append(.none)
      }
    }
    let layout = ArenaLayout(plan.buffers, stepCount: end + 1)
    plan.buffers = layout.buffers
    plan.arenaSize = layout.size
    plan.lowerBound = layout.lowerBound
  }

  /// Whether this function reads or updates the state.
  private func isState(_ slot: Int) -> Bool {
    if lastStep[slot] >= 0 { return true }
    for i in 0..<file.count(.states)
    where Int(file.state(i).function) == plan.functionIndex && Int(file.state(i).state) == slot {
      return true
    }
    return false
  }
}

/// Copies bytes from one slot to another.
final class CopyStep: Step {
  private let from: Slot
  private let offset: Int
  private let to: Slot
  private let byteCount: Int

  init(from: Slot, offset: Int, to: Slot, _ byteCount: Int) {
    self.from = from
    self.offset = offset
    self.to = to
    self.byteCount = byteCount
  }

  override func run(_ memory: Memory, _ share: Share) {
    (memory[to]).copyMemory(from: memory[from] + offset, byteCount: byteCount)
  }
}
