import CKernels
import ModelFormat

// Element-wise operators follow the layout of what they read: every lane is computed, those that mean
// nothing too.

extension PlanContext {
  /// Input 0 in channel blocks and output 0 in its memory, if input 0 lies so: its slot, the output's
  /// and the elements of both.
  func blockedUnary() -> (x: Slot, y: Slot, count: Int)? {
    guard mayUseBlocks, isBlocked(0) else { return nil }
    allowInPlace(input: 0, output: 0)
    return (
      blockedInput(0), blockedOutput(0), ChannelBlocks(node.outputs[0].shape, kernels).count
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
    let flat = Shape(ChannelBlocks(node.outputs[0].shape, kernels).count)
    let layout = Broadcast(flat, flat, to: flat)
    emit(
      BinaryStep(
        kernels.pointee.binary, function.rawValue, blockedInput(0), blockedInput(1),
        blockedOutput(0), layout),
      work: layout.total * cost)
    return true
  }
}
