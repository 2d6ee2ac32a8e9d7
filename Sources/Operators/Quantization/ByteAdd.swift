import CKernels
import ModelFormat

/// QLinearAdd of two tensors of one shape with channels last.
private final class ByteAddStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let sum: apus_byte_sum
  private let count: Int
  private let a: Slot
  private let b: Slot
  private let y: Slot

  init(
    _ kernels: UnsafePointer<apus_kernels>, _ sum: apus_byte_sum, _ count: Int, a: Slot, b: Slot,
    y: Slot
  ) {
    self.kernels = kernels
    self.sum = sum
    self.count = count
    self.a = a
    self.b = b
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    let part = share.part(of: count, grain: 64)
    var sum = sum
    kernels.pointee.byte_add(
      &sum, memory[a].assumingMemoryBound(to: UInt8.self) + part.lowerBound,
      memory[b].assumingMemoryBound(to: UInt8.self) + part.lowerBound,
      memory[y].assumingMemoryBound(to: UInt8.self) + part.lowerBound, part.count)
  }
}

extension PlanContext {
  /// Plans a QLinearAdd of which an operand lies with channels last.
  func planByteAdd() -> Bool {
    let shape = node.outputs[0].shape
    guard mayUseBlocks, hasChannelsLast(0) || hasChannelsLast(3), node.input(0).shape == shape,
      node.input(3).shape == shape, let a = node.byteScale(1), let b = node.byteScale(4),
      let y = node.byteScale(6)
    else { return false }
    let f = QLinearBinary(isProduct: false, a, b, y)
    // So far from 2^31 that no sum reaches it.
    let largest: Float = 1_048_576
    guard f.aRatio < largest, f.bRatio < largest, abs(f.fixed) < largest else { return false }
    let output = ChannelBlocks(shape, kernels, node.outputs[0].dataType)
    allowInPlace(input: 0, output: 0)
    allowInPlace(input: 3, output: 0)
    emit(
      ByteAddStep(
        kernels,
        apus_byte_sum(
          a_ratio: f.aRatio, b_ratio: f.bRatio, fixed: f.fixed, zero: Int32(output.flip)),
        output.count, a: blockedInput(0), b: blockedInput(3), y: blockedOutput(0)),
      work: output.count / 4)
    return true
  }
}
