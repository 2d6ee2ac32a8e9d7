import CKernels
import ModelFormat

/// The largest of each window of bytes with channels last.
private final class ByteMaxPoolStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let windows: ByteWindows
  private let x: Slot
  private let y: Slot
  private let scratch: Slot

  init(
    _ kernels: UnsafePointer<apus_kernels>, _ windows: ByteWindows, x: Slot, y: Slot,
    scratch: Slot
  ) {
    self.kernels = kernels
    self.windows = windows
    self.x = x
    self.y = y
    self.scratch = scratch
  }

  override func run(_ memory: Memory, _ share: Share) {
    windows.run(
      windows.descriptor, share, memory[x], memory[y], memory[scratch],
      kernels.pointee.byte_max_pool)
  }
}

extension PlanContext {
  /// Plans a MaxPool of bytes that lie with channels last, or have so many that it is worth a copy.
  func planByteMaxPool(_ geometry: SpatialGeometry) -> Bool {
    let width = node.input(0).shape[1] + ChannelBlocks.byteBlock
    guard mayUseBlocks, ByteBand.isPossible(geometry, width: width),
      node.input(0).dataType != .float32, !node.wantsOutput(1),
      hasChannelsLast(0) || node.input(0).shape[1] >= ChannelBlocks.byteBlock / 2
    else { return false }
    let output = ChannelBlocks(node.outputs[0].shape, kernels, node.outputs[0].dataType)
    // The padding is no larger than anything.
    let windows = ByteWindows(
      kernels, geometry, output: output, threads: threads, fill: 0, zero: 0)
    emit(
      ByteMaxPoolStep(
        kernels, windows, x: blockedInput(0), y: blockedOutput(0),
        scratch: scratch(byteCount: windows.scratchCount * threads)),
      work: output.count * geometry.kernelCount / 16)
    return true
  }
}
