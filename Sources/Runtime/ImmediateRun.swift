import CKernels
import CRegion
import CSystem
import ModelFormat
import Operators

/// Plans one node and runs it at once, on data that is there: what the planner does with nodes whose
/// inputs it knows, and a run with nodes whose shapes only the run knows.
public enum ImmediateRun {
  /// - Parameters:
  ///   - node: after its shape rule, with every output's exact shape.
  ///   - inputs: the data of each input; nil where it was left out.
  ///   - outputs: where each output goes; nil where it is not wanted.
  public static func perform(
    _ node: NodeContext, _ kernels: UnsafePointer<apus_kernels>,
    inputs: [UnsafeMutableRawPointer?], outputs: [UnsafeMutableRawPointer?]
  ) throws(ApusError) {
    let first = inputs.count + outputs.count
    let context = PlanContext(
      node: node, kernels: kernels, matrixKernels: kernels, threads: 1,
      inputSlots: slots(inputs, from: 0), outputSlots: slots(outputs, from: inputs.count),
      firstNewSlot: first)
    try node.definition.plan(context)

    let count = first + context.scratchByteCounts.count
    let pointers = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(capacity: max(count, 1))
    defer { pointers.deallocate() }
    let nowhere = UnsafeMutableRawPointer(pointers)
    for i in inputs.indices { (pointers + i).initialize(to: inputs[i] ?? nowhere) }
    for i in outputs.indices { (pointers + inputs.count + i).initialize(to: outputs[i] ?? nowhere) }
    let scratch = try allocate(context)
    defer { apus_sys_release(scratch) }
    place(context, scratch, pointers + first)
    for packing in context.packed { packing.fill(pointers[Int(packing.slot.index)]) }

    let memory = Memory(pointers)
    for step in context.steps { step.run(memory, Share(index: 0, count: 1)) }
    for view in context.views {
      guard let from = inputs[view.input], let to = outputs[view.output] else { continue }
      to.copyMemory(from: from + view.byteOffset, byteCount: node.outputs[view.output].byteCount)
    }
  }

  private static func slots(_ data: [UnsafeMutableRawPointer?], from first: Int) -> [Int] {
    var slots: [Int] = []
    for i in data.indices { slots.append(data[i] == nil ? -1 : first + i) }
    return slots
  }

  private static func rounded(_ bytes: Int) -> Int {
    (bytes + Format.alignment - 1) / Format.alignment * Format.alignment
  }

  /// One block for the scratch memory and the packed weights.
  private static func allocate(_ context: PlanContext) throws(ApusError) -> UnsafeMutableRawPointer {
    var total = 1
    for bytes in context.scratchByteCounts { total += rounded(bytes ?? 0) }
    for packing in context.packed { total += rounded(packing.byteCount) }
    guard let memory = apus_sys_allocate(total, Format.alignment) else {
      throw context.node.error(.outOfMemory, "no memory for \(total) bytes of scratch")
    }
    return memory
  }

  private static func place(
    _ context: PlanContext, _ memory: UnsafeMutableRawPointer,
    _ pointers: UnsafeMutablePointer<UnsafeMutableRawPointer>
  ) {
    var next = memory
    for i in context.scratchByteCounts.indices {
      (pointers + i).initialize(to: next)
      next += rounded(context.scratchByteCounts[i] ?? 0)
    }
    let first = Int(context.firstNewSlot)
    for packing in context.packed {
      pointers[Int(packing.slot.index) - first] = next
      next += rounded(packing.byteCount)
    }
  }
}
