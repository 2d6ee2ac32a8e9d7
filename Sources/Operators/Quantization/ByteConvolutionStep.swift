import CKernels
import ModelFormat

/// See `ByteConvolution`.
private final class ByteConvolutionStep: Step {
  private let layer: ByteConvolution
  private let x: Slot
  private let weights: Slot
  private let y: Slot
  private let scratch: Slot?

  init(_ layer: ByteConvolution, x: Slot, weights: Slot, y: Slot, scratch: Slot?) {
    self.layer = layer
    self.x = x
    self.weights = weights
    self.y = y
    self.scratch = scratch
  }

  override func run(_ memory: Memory, _ share: Share) {
    layer.run(
      share, memory[x].assumingMemoryBound(to: UInt8.self),
      memory[weights].assumingMemoryBound(to: Int32.self),
      memory[y].assumingMemoryBound(to: UInt8.self),
      scratch.map {
        memory[$0].assumingMemoryBound(to: UInt8.self) + share.index * layer.scratchCount
      })
  }
}

extension PlanContext {
  /// Between which bytes the node's results are clipped, with what its epilogue does.
  private func byteLimits(_ output: ChannelBlocks) -> (lower: Int32, upper: Int32) {
    guard let epilogue else { return (0, 255) }
    let zero = Int32(output.flip)
    // The node behind may yet turn out to state no numbers.
    func byte(_ limit: Float) -> Int32 {
      let raised = limit > Float(-zero) ? limit : Float(-zero)
      return Int32(raised < Float(255 - zero) ? raised : Float(255 - zero)) + zero
    }
    return (byte(epilogue.minimum), byte(epilogue.maximum))
  }

  /// Inputs of more channels are read with channels last.
  private static var fewChannels: Int { 4 }

  /// Plans a convolution (or a product of matrices, as one of 1 x 1) that writes output 0 with
  /// channels last, where it is one.
  ///
  /// - Parameter strides: weights from one row to the next, and from one input channel to the next.
  func planByteConvolution(
    _ geometry: SpatialGeometry, groups: Int, rows: Int, x: IntegerOperand,
    weights: IntegerOperand, strides: (row: Int, channel: Int), bias: Int?,
    result: (scale: Int, zero: Int)
  ) -> Bool {
    let info = node.input(x.tensor)
    let input = ChannelBlocks(info.shape, kernels, info.dataType)
    guard mayUseBlocks, ByteBand.isPossible(geometry, width: input.width),
      let values = node.input(weights.tensor).constant,
      let numbers = ByteLayerNumbers(node, x: x, weights: weights, bias: bias, result: result)
    else { return false }
    let output = ChannelBlocks(node.outputs[0].shape, kernels, node.outputs[0].dataType)
    let limits = byteLimits(output)
    if groups > 1 && groups == input.channels && groups == rows {
      let windows = ByteWindows(
        kernels, geometry, output: output, threads: threads,
        fill: UInt8(truncatingIfNeeded: numbers.inputZero), zero: numbers.outputZero,
        limits: limits, copies: numbers.copies)
      let packing = ByteDepthwiseWeights(
        windows: windows, taps: geometry.kernelCount, channels: rows, width: output.width)
      let packed = packedWeights(
        tag: 16 + kernels.pointee.byte_word_depth, byteCount: packing.starts.byteCount
      ) { target in
        packing.pack(
          values.assumingMemoryBound(to: UInt8.self), numbers,
          target.assumingMemoryBound(to: Int32.self))
      }
      takesEpilogue = epilogue != nil
      emit(
        ByteDepthwiseStep(
          kernels, packing, x: blockedInput(x.tensor), weights: packed, y: blockedOutput(0),
          scratch: scratch(byteCount: windows.scratchCount * threads)),
        multiplyAccumulates: node.outputs[0].shape.count * geometry.kernelCount, elements: 0)
      return true
    }
    let isPlain =
      !hasChannelsLast(x.tensor) && input.channels <= PlanContext.fewChannels && groups == 1
      && geometry.dilation[2] == 1 && geometry.kernelCount > 1
    var g = geometry.foldedIfPointwise
    var items = input.items
    if geometry.kernelCount == 1 && g.staysInside && g.inputCount == g.output[2] {
      // Items follow one another like positions.
      g.input = [1, 1, items * g.inputCount]
      g.output = g.input
      items = 1
    }
    let byteWeights = ByteWeights(
      kernels, geometry, groups: groups, channels: input.channels, rows: rows,
      copies: numbers.copies, isAlongRow: isPlain)
    let layer = ByteConvolution(
      kernels, byteWeights, g, items: items, input: input, output: output, isPlain: isPlain,
      threads: threads, flip: info.dataType.flip,
      fill: UInt8(truncatingIfNeeded: numbers.inputZero), zero: numbers.outputZero,
      limits: limits)
    let packed = packedWeights(
      tag: 8 + kernels.pointee.byte_word_depth, byteCount: byteWeights.starts.byteCount
    ) { target in
      byteWeights.pack(
        values.assumingMemoryBound(to: UInt8.self), rowStride: strides.row,
        channelStride: strides.channel, numbers, target.assumingMemoryBound(to: Int32.self))
    }
    let work = node.outputs[0].shape.count * (input.channels / groups) * geometry.kernelCount
    takesEpilogue = epilogue != nil
    emit(
      ByteConvolutionStep(
        layer, x: isPlain ? self.input(x.tensor) : blockedInput(x.tensor), weights: packed,
        y: blockedOutput(0),
        scratch: layer.scratchCount > 0
          ? scratch(byteCount: layer.scratchCount * threads) : nil),
      multiplyAccumulates: work / kernels.pointee.byte_word_depth, elements: 0)
    return true
  }
}
