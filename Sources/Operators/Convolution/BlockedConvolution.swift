import CKernels
import ModelFormat

/// A convolution of one group, over one or two axes, in channel blocks (ChannelBlocks.swift).
///
/// Windows that never leave the input and move by single elements read it in place. For others a
/// band of the input, as many rows as stay in a core's cache, is copied with its padding, its columns
/// sorted by their place within a step, so that the inputs of adjacent outputs are adjacent.
final class BlockedConvolution: BlockedLayer {
  let kernels: UnsafePointer<apus_kernels>
  /// All but rows and width and, where there is a band, x_block.
  private var descriptor: apus_blocked_convolution
  let items: Int
  let inputStride: Int
  let output: ChannelBlocks
  /// Rows of the output, and positions of each.
  let height: Int
  let width: Int
  /// A unit of work is so many rows, and so many positions of each.
  let unitRows: Int
  let unitWidth: Int
  /// nil: the input is read in place.
  let band: Band?
  private let tapOffsets: UnsafeMutablePointer<Int32>

  struct Band {
    /// All but first_row and rows.
    let descriptor: apus_blocked_band
    let stepY: Int
    let padY: Int
    let extentY: Int
    let rowStride: Int
    let count: Int
  }

  /// Bytes of a unit's input that should stay in the cache beside the weights.
  private static var cacheShare: Int { 192 << 10 }

  /// Whether the input may be read in place, or else the band of a single row, which is the least
  /// there can be, is small beside the layer: far dilations and long strides fill it with what nobody
  /// reads.
  static func isPossible(
    _ geometry: SpatialGeometry, input: ChannelBlocks, output: ChannelBlocks
  ) -> Bool {
    // The kernels count the floats to a tap in 32 bits.
    if geometry.staysInside { return input.blockStride <= Int(Int32.max) }
    // In floating point: a file may state any numbers.
    let reach = Double((geometry.kernel[2] - 1) * geometry.dilation[2] / geometry.stride[2])
    let columns = Double(geometry.output[2]) + reach
    let bytes =
      Double(input.blocks) * Double(geometry.extent(1)) * Double(geometry.stride[2]) * columns
      * Double(4 * input.width)
    let layer = ConvolutionLayer.byteCount(geometry, input: input, output: output)
    return bytes <= Double(max(1 << 16, min(layer, 1 << 28)))
  }

  /// - Parameter isPlain: the input lies as the model lays it out.
  init(
    _ kernels: UnsafePointer<apus_kernels>, _ geometry: SpatialGeometry, input: ChannelBlocks,
    output: ChannelBlocks, isPlain: Bool, threads: Int, _ activation: Activation
  ) {
    // Scratch memory stays small beside what the layer works on.
    let cacheShare = min(
      BlockedConvolution.cacheShare,
      ConvolutionLayer.byteCount(geometry, input: input, output: output) / 12)
    self.kernels = kernels
    self.output = output
    items = input.items
    let g = geometry.foldedIfPointwise
    let v = input.width
    inputStride = isPlain ? input.channels * input.positions : input.itemStride
    height = g.output[1]
    width = g.output[2]
    tapOffsets = .allocate(capacity: max(1, g.kernelCount))
    descriptor = apus_blocked_convolution(
      channels: input.channels, taps: g.kernelCount, tap_offsets: UnsafePointer(tapOffsets),
      x_block: 0, x_row: 0, rows: 0, width: 0, blocks: output.blocks, y_block: output.blockStride,
      y_row: g.output[2] * v, minimum: activation.minimum, maximum: activation.maximum)
    let columns = g.output[2] + (g.kernel[2] - 1) * g.dilation[2] / g.stride[2]
    let isInPlace = !isPlain && g.staysInside
    let rowStride = isInPlace ? g.input[2] * v : g.stride[2] * columns * v
    for ky in 0..<g.kernel[1] {
      for kx in 0..<g.kernel[2] {
        let x = kx * g.dilation[2]
        let column = isInPlace ? x : x % g.stride[2] * columns + x / g.stride[2]
        tapOffsets[ky * g.kernel[2] + kx] = Int32(
          truncatingIfNeeded: ky * g.dilation[1] * rowStride + column * v)
      }
    }
    let extent = g.extent(1)
    /// Bytes of one row of all channel blocks.
    let rowBytes = input.blocks * rowStride * 4
    let rowsThatFit = (cacheShare / max(1, rowBytes) - extent) / g.stride[1] + 1
    // Every thread should get some.
    let share = (items * height + 2 * threads - 1) / (2 * threads)
    unitRows = max(1, min(height, rowsThatFit, threads > 1 ? share : height))
    if isInPlace {
      descriptor.x_block = input.blockStride
      descriptor.x_row = rowStride
      band = nil
      // A single row, as 1 x 1 convolutions have, is cut instead.
      let fit = cacheShare / (input.blocks * v * 4) / 84 * 84
      let part = ((width * items + 2 * threads - 1) / (2 * threads) + 27) / 28 * 28
      unitWidth = height > 1 ? width : max(28, min(width, fit, threads > 1 ? part : width))
      return
    }
    unitWidth = width
    let bandRows = (unitRows - 1) * g.stride[1] + extent
    descriptor.x_row = g.stride[1] * rowStride
    band = Band(
      descriptor: apus_blocked_band(
        channels: input.channels, input_height: g.input[1], input_width: g.input[2],
        x_channel: isPlain ? input.positions : 0, x_block: isPlain ? 0 : input.blockStride,
        first_row: 0, rows: 0, first_column: -g.padBegin[2], columns: columns,
        step_x: g.stride[2]),
      stepY: g.stride[1], padY: g.padBegin[1], extentY: extent, rowStride: rowStride,
      count: input.blocks * bandRows * rowStride)
  }

  deinit { tapOffsets.deallocate() }

  var unitsOfItem: Int {
    ((height + unitRows - 1) / unitRows) * ((width + unitWidth - 1) / unitWidth)
  }

  var scratchCount: Int { band?.count ?? 0 }

  func run(
    item: Int, unit: Int, _ x: UnsafePointer<Float>, _ weights: UnsafePointer<Float>,
    _ bias: UnsafePointer<Float>?, _ y: UnsafeMutablePointer<Float>,
    _ scratch: UnsafeMutablePointer<Float>?
  ) {
    var d = descriptor
    let across = (width + unitWidth - 1) / unitWidth
    let firstRow = unit / across * unitRows
    let first = unit % across * unitWidth
    d.rows = min(unitRows, height - firstRow)
    d.width = min(unitWidth, width - first)
    let source = x + item * inputStride
    let target = y + (item * output.itemStride + firstRow * d.y_row + first * output.width)
    guard let band, let scratch else {
      kernels.pointee.blocked_convolve(
        &d, source + (firstRow * d.x_row + first * output.width), weights, bias, nil, target)
      return
    }
    var b = band.descriptor
    b.first_row = firstRow * band.stepY - band.padY
    b.rows = (d.rows - 1) * band.stepY + band.extentY
    d.x_block = b.rows * band.rowStride
    kernels.pointee.blocked_band(&b, source, scratch)
    kernels.pointee.blocked_convolve(&d, UnsafePointer(scratch), weights, bias, nil, target)
  }
}

/// What a layer works on, as the model lays it out.
enum ConvolutionLayer {
  /// Bytes of one item's input and output and of the weights. Neither the batch nor the number of
  /// threads counts: what is chosen by it must not change an item's bits.
  static func byteCount(
    _ geometry: SpatialGeometry, input: ChannelBlocks, output: ChannelBlocks
  ) -> Int {
    4
      * (input.channels * input.positions + output.channels * output.positions
        + input.channels * output.channels * geometry.kernelCount)
  }
}

/// Tags of packed weights; 0 is those of the plain layout.
enum BlockedPacking {
  static var weights: Int { 2 }
  static var bias: Int { 3 }
  static var depthwise: Int { 4 }
  /// And m.
  static var winograd: Int { 8 }
}

extension PlanContext {
  /// Plans a convolution in channel blocks, where it is one that gains by it.
  func planBlockedConvolution(_ geometry: SpatialGeometry, group: Int, work: Int) -> Bool {
    let weights = node.input(1)
    let v = kernels.pointee.vector_width
    guard mayUseBlocks, geometry.isPlanar, let values = weights.constant,
      !node.hasInput(2) || node.input(2).constant != nil
    else { return false }
    let rows = weights.shape[0]
    let activation = Activation(node)
    if group > 1 {
      guard group == rows, weights.shape[1] == 1, isBlocked(0) else { return false }
      planBlockedDepthwise(geometry, values, activation, work: work)
      return true
    }
    let channels = weights.shape[1]
    let input = ChannelBlocks(node.input(0).shape, kernels)
    let output = ChannelBlocks(node.outputs[0].shape, kernels)
    guard rows >= v, BlockedConvolution.isPossible(geometry, input: input, output: output)
    else { return false }
    if planWinograd(geometry, input: input, output: output, values, activation, work: work) {
      return true
    }
    // Few channels fill no block: what gathers the band spreads them.
    let isPlain = !isBlocked(0) && !(geometry.staysInside && channels >= v)
    let convolution = BlockedConvolution(
      kernels, geometry, input: input, output: output, isPlain: isPlain, threads: threads,
      activation)
    let taps = geometry.kernelCount
    let kernels = kernels
    let packed = packedWeights(
      tag: BlockedPacking.weights,
      byteCount: 4 * kernels.pointee.blocked_packed_count(rows, channels, taps)
    ) { target in
      let order = UnsafeMutablePointer<Int32>.allocate(capacity: taps)
      defer { order.deallocate() }
      for tap in 0..<taps { order[tap] = Int32(truncatingIfNeeded: tap) }
      kernels.pointee.blocked_pack(
        values.assumingMemoryBound(to: Float.self), rows, channels * taps, channels, taps, taps,
        order, target.assumingMemoryBound(to: Float.self))
    }
    emit(
      convolution, x: isPlain ? self.input(0) : blockedInput(0), weights: packed, output,
      work: work)
    return true
  }

  /// The bias, filled up with zeros.
  func blockedBias(_ output: ChannelBlocks) -> Slot? {
    guard node.hasInput(2), let bias = node.input(2).constant else { return nil }
    let count = output.blocks * output.width
    return packedWeights(tag: BlockedPacking.bias, byteCount: 4 * count) { target in
      let target = target.assumingMemoryBound(to: Float.self)
      let bias = bias.assumingMemoryBound(to: Float.self)
      for i in 0..<count { target[i] = i < output.channels ? bias[i] : 0 }
    }
  }

  private func planBlockedDepthwise(
    _ geometry: SpatialGeometry, _ weights: UnsafeRawPointer, _ activation: Activation, work: Int
  ) {
    let output = ChannelBlocks(node.outputs[0].shape, kernels)
    let taps = geometry.kernelCount
    let v = output.width
    let packed = packedWeights(
      tag: BlockedPacking.depthwise, byteCount: 4 * output.blocks * taps * v
    ) { target in
      let target = target.assumingMemoryBound(to: Float.self)
      let weights = weights.assumingMemoryBound(to: Float.self)
      for block in 0..<output.blocks {
        for tap in 0..<taps {
          for lane in 0..<v {
            let channel = block * v + lane
            target[(block * taps + tap) * v + lane] =
              channel < output.channels ? weights[channel * taps + tap] : 0
          }
        }
      }
    }
    emit(
      BlockedDepthwiseStep(
        kernels, geometry.window, input: ChannelBlocks(node.input(0).shape, kernels), output: output,
        activation, x: blockedInput(0), weights: packed, bias: blockedBias(output),
        y: blockedOutput(0)),
      work: work)
  }
}

/// A depthwise convolution in channel blocks.
final class BlockedDepthwiseStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let window: apus_window
  private let split: PlaneSplit
  private let input: ChannelBlocks
  private let output: ChannelBlocks
  private let taps: Int
  private let activation: Activation
  private let x: Slot
  private let weights: Slot
  private let bias: Slot?
  private let y: Slot

  init(
    _ kernels: UnsafePointer<apus_kernels>, _ window: apus_window, input: ChannelBlocks,
    output: ChannelBlocks, _ activation: Activation, x: Slot, weights: Slot, bias: Slot?, y: Slot
  ) {
    self.kernels = kernels
    self.window = window
    split = PlaneSplit(planes: output.items * output.blocks, rows: window.output_height)
    self.input = input
    self.output = output
    taps = window.kernel_height * window.kernel_width
    self.activation = activation
    self.x = x
    self.weights = weights
    self.bias = bias
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    var window = window
    split.forEach(share) { (plane, firstRow, endRow) in
      let block = plane % output.blocks
      kernels.pointee.blocked_depthwise(
        &window, memory.floats(x) + plane * input.blockStride,
        memory.floats(weights) + block * taps * output.width,
        bias.map { memory.floats($0) + block * output.width }, activation.minimum,
        activation.maximum, memory.mutableFloats(y) + plane * output.blockStride, firstRow, endRow)
    }
  }
}
