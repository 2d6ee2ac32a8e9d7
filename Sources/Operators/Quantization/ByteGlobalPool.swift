import CKernels
import ModelFormat

extension PlanContext {
  /// Plans the mean of each channel of an input with channels last: a depthwise convolution whose window
  /// is the input, and whose weights are 1.
  func planByteGlobalPool() -> Bool {
    let x = node.input(0)
    guard hasChannelsLast(0), let from = node.byteScale(1), let to = node.byteScale(3)
    else { return false }
    var geometry = SpatialGeometry()
    let count = x.shape.product(2, x.shape.rank)
    geometry.input = [1, 1, count]
    geometry.kernel = geometry.input
    let ratio = from.scale / (to.scale * Float(count))
    let input = ChannelBlocks(x.shape, kernels, x.dataType)
    let output = ChannelBlocks(node.outputs[0].shape, kernels, node.outputs[0].dataType)
    // A word of weights for every four elements.
    guard count > 0, count <= 1 << 16, ratio <= 0.5,
      ByteBand.isPossible(geometry, width: input.width)
    else { return false }
    let numbers = ByteLayerNumbers(
      x: (ratio, Int32(from.zero) + Int32(input.flip)),
      y: (1, Int32(to.zero) + Int32(output.flip)))
    let windows = ByteWindows(
      kernels, geometry, output: output, threads: threads, fill: 0, zero: numbers.outputZero,
      isUniform: true)
    let packing = ByteDepthwiseWeights(
      windows: windows, taps: count, channels: output.width, width: output.width)
    let packed = packedWeights(
      tag: 16 + kernels.pointee.byte_word_depth, byteCount: packing.starts.byteCount
    ) { packing.pack(nil, numbers, $0.assumingMemoryBound(to: Int32.self)) }
    emit(
      ByteDepthwiseStep(
        kernels, packing, x: blockedInput(0), weights: packed, y: blockedOutput(0),
        scratch: scratch(byteCount: windows.scratchCount * threads)),
      work: x.shape.count / 4)
    return true
  }
}
