import CRegion
import ModelFormat
import Operators

/// A node whose shapes only the run knows: NonZero, a Reshape to a computed shape, and whatever
/// reads their outputs. Its operator infers and plans anew in each run, with every input's value
/// known, in a workspace of the arena instead of the allocator's memory. The outputs have the memory
/// that their bounds take.
final class LateStep: Step {
  /// Of the plan, which owns the step.
  private let plan: Unmanaged<Plan>
  private let nodeIndex: Int
  private let workspace: Slot
  private let workspaceSize: Int

  /// Planning a node takes some tens of kilobytes; scratch and packed weights seldom more than the
  /// node's own tensors.
  static func workspaceSize(_ node: NodeContext) -> Int {
    var bytes = 0
    for input in node.inputs { bytes += input?.byteCount ?? 0 }
    for output in node.outputs { bytes += output.byteCount }
    return 131_072 + 2 * bytes
  }

  init(_ plan: Plan, nodeIndex: Int, workspace: Slot, workspaceSize: Int) {
    self.plan = Unmanaged.passUnretained(plan)
    self.nodeIndex = nodeIndex
    self.workspace = workspace
    self.workspaceSize = workspaceSize
  }

  private struct Request {
    let step: Unmanaged<LateStep>
    let memory: Memory

    func perform() {
      step._withUnsafeGuaranteedRef { step in
        step.plan._withUnsafeGuaranteedRef { plan in
          do throws(ApusError) { try step.perform(plan, memory) } catch { plan.failure.set(error) }
        }
      }
    }
  }

  override func run(_ memory: Memory, _ share: Share) {
    var request = Request(step: Unmanaged.passUnretained(self), memory: memory)
    let done = withUnsafeMutablePointer(to: &request) {
      apus_sys_workspace_run(
        { $0!.assumingMemoryBound(to: Request.self).pointee.perform() }, $0, memory[workspace],
        workspaceSize)
    }
    if done == 0 { plan._withUnsafeGuaranteedRef { $0.failure.setOutOfWorkspace() } }
  }

  private func perform(_ plan: Plan, _ memory: Memory) throws(ApusError) {
    let file = plan.model.file
    let record = file.node(nodeIndex)
    var inputs: [TensorInfo?] = []
    var inputData: [UnsafeMutableRawPointer?] = []
    for i in 0..<Int(record.inputCount) {
      let t = file.index(Int(record.inputs) + i)
      guard t != Format.none, var info = plan.tensors[Int(t)] else {
        inputs.append(nil)
        inputData.append(nil)
        continue
      }
      info.shape = plan.shape(tensor: Int(t))
      info.isBound = false
      info.constant = UnsafeRawPointer(memory[Slot(Int(t))])
      inputs.append(info)
      inputData.append(memory[Slot(Int(t))])
    }
    let node = NodeContext(
      file: file, record: record, definition: plan.model.definition(node: nodeIndex),
      nodeIndex: nodeIndex, nodeName: file.nodeName(nodeIndex), inputs: inputs)
    try node.definition.infer(node)
    var outputData: [UnsafeMutableRawPointer?] = []
    for i in 0..<node.outputCount {
      let t = file.index(Int(record.outputs) + i)
      if t == Format.none {
        outputData.append(nil)
        continue
      }
      try check(node, i, plan.tensors[Int(t)]!)
      plan.currentShapes[Int(t)] = node.outputs[i].shape
      outputData.append(memory[Slot(Int(t))])
    }
    try ImmediateRun.perform(node, plan.model.kernels, inputs: inputData, outputs: outputData)
  }

  private func check(_ node: NodeContext, _ i: Int, _ planned: TensorInfo) throws(ApusError) {
    let output = node.outputs[i]
    guard output.dataType == planned.dataType, !output.isBound else {
      throw node.error(.invalidModel, "output \(i) is \(output.dataType), not \(planned.dataType)")
    }
    guard output.byteCount <= planned.byteCount else {
      throw node.error(
        .invalidShape, "output \(i) is \(output.shape), more than the \(planned.shape) planned for")
    }
  }
}

/// What went wrong in a run. Made with the plan, because a run has no memory for an error.
public final class RunFailure {
  public private(set) var isSet = false
  private var status = Status.ok
  private let message: Message

  init() { message = "" }

  func clear() { isSet = false }

  func set(_ error: ApusError) {
    if isSet { return }
    isSet = true
    status = error.status
    message.storage.copy(error.message.storage)
  }

  func setOutOfWorkspace() {
    set(ApusError(.outOfMemory, "a node planned in the run needs more memory than its workspace"))
  }

  /// Only where `isSet`.
  var error: ApusError { ApusError(status, message) }
}
