import CKernels
import ModelFormat

// Element-wise operators follow the layout of what they read: every lane is computed, those that mean
// nothing too.

/// The elements of an element-wise step, as threads divide them.
struct ElementSplit {
  let count: Int
  private let blocks: ChannelBlocks?

  init(_ count: Int) {
    self.count = count
    blocks = nil
  }

  init(_ blocks: ChannelBlocks) {
    count = blocks.count
    self.blocks = blocks
  }

  /// Calls `body` with (first, count) for all that `share` covers.
  @inline(__always)
  func forEach(_ share: Share, _ body: (Int, Int) -> Void) {
    if share.count > 1, let blocks {
      blocks.forEach(share) { (item, block, first, count) in
        body(
          item * blocks.itemStride + block * blocks.blockStride + first * blocks.width,
          count * blocks.width)
      }
      return
    }
    let part = share.part(of: count, grain: 64)
    body(part.lowerBound, part.count)
  }
}

/// y = f(a, b) of tensors that lie alike in channel blocks.
private final class BlockedBinaryStep: Step {
  private let kernel: BinaryStep.Kernel
  private let function: Int
  private let a: Slot
  private let b: Slot
  private let y: Slot
  private let elements: ElementSplit

  init(
    _ kernel: @escaping BinaryStep.Kernel, _ function: Int, _ a: Slot, _ b: Slot, _ y: Slot,
    _ elements: ElementSplit
  ) {
    self.kernel = kernel
    self.function = function
    self.a = a
    self.b = b
    self.y = y
    self.elements = elements
  }

  override func run(_ memory: Memory, _ share: Share) {
    elements.forEach(share) { (first, count) in
      kernel(
        function, memory.floats(a) + first, 1, memory.floats(b) + first, 1,
        memory.mutableFloats(y) + first, count)
    }
  }
}

extension PlanContext {
  /// Input 0 in channel blocks and output 0 in its memory, if input 0 lies so: its slot, the output's
  /// and the elements of both.
  func blockedUnary() -> (x: Slot, y: Slot, elements: ElementSplit)? {
    guard mayUseBlocks, isBlocked(0) else { return nil }
    allowInPlace(input: 0, output: 0)
    return (
      blockedInput(0), blockedOutput(0), ElementSplit(ChannelBlocks(node.outputs[0].shape, kernels))
    )
  }

  /// Plans y = f(a, b) of two tensors of one shape, of which at least one lies in channel blocks.
  func planBlockedBinary(_ function: BinaryFunction, cost: Int = 1) -> Bool {
    guard mayUseBlocks, isBlocked(0) || isBlocked(1), node.input(0).dataType == .float32,
      node.input(0).shape == node.input(1).shape, node.input(0).constant == nil,
      node.input(1).constant == nil
    else { return false }
    allowInPlace(input: 0, output: 0)
    allowInPlace(input: 1, output: 0)
    let elements = ElementSplit(ChannelBlocks(node.outputs[0].shape, kernels))
    emit(
      BlockedBinaryStep(
        kernels.pointee.binary, function.rawValue, blockedInput(0), blockedInput(1),
        blockedOutput(0), elements),
      work: elements.count * cost)
    return true
  }
}
