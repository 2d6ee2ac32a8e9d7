import CKernels
import ModelFormat

/// A convolution into channel blocks (ChannelBlocks.swift). The input lies in channel blocks or plain,
/// as the model has it.
///
/// Windows that never leave the input read it in place. For others a band of the input, as many rows
/// as stay in a core's cache, is copied with its padding. Of a volume the band holds the rows of as
/// many slices as a window has; where slices are small, those of several outputs.
final class BlockedConvolution: BlockedLayer {
  let kernels: UnsafePointer<apus_kernels>
  /// Channels in a word.
  private let wordDepth: Int
  /// All but rows, width and what differs between the parts.
  private var descriptor: apus_blocked_convolution
  let items: Int
  let input: ChannelBlocks
  let inputStride: Int
  let output: ChannelBlocks
  /// Slices of the output, rows of each, and positions of each.
  let depth: Int
  let height: Int
  let width: Int
  /// What is computed at once is so many slices, so many rows of each, and so many positions of each,
  /// at most.
  let unitSlices: Int
  let unitRows: Int
  let unitWidth: Int
  /// Whether a row may be cut, the only one: of so many positions are the rows that it is made of.
  private let cutsRow: Bool
  private let rowLength: Int
  /// Whether threads divide output blocks, not positions.
  private let dividesBlocks: Bool
  /// Floats from what an output slice reads to what the next one reads.
  private let sliceStride: Int
  /// Floats from one channel block of what is read to the next, or channel where the input is plain.
  private let planeStride: Int
  /// nil: the input is read in place. In bf16 the band is what rounds it.
  let band: Band?
  private let groups: Int
  /// All output blocks, as many together as may be; and two at most, for units of several slices.
  private let parts: [ConvolutionPart]
  private let pairs: [ConvolutionPart]
  private let tapOffsets: UnsafeMutablePointer<Int32>

  struct Band {
    /// All but first_row and rows.
    let descriptor: apus_blocked_band
    let stepX: Int
    let stepY: Int
    let padY: Int
    let extentY: Int
    /// Slices of one output slice, of an input of so many, so far apart.
    let slices: Int
    let inputSlices: Int
    let stepZ: Int
    let padZ: Int
    let dilationZ: Int
  }

  /// Of the core's cache, what a unit's input should take beside the weights: in sixteenths.
  private static var cacheShare: Int { 3 }

  /// Beyond so many products for each that the groups ask for, the plain layout computes faster.
  static var mostProducts: Int { 8 }

  /// Whether the input may be read in place, or else the band of a single row, which is the least
  /// there can be, is small beside the layer: far dilations and long strides fill it with what nobody
  /// reads.
  static func isPossible(
    _ geometry: SpatialGeometry, input: ChannelBlocks, output: ChannelBlocks,
    readsInPlace: Bool = true
  ) -> Bool {
    // The kernels count the floats to a tap in 32 bits.
    if geometry.staysInside && readsInPlace { return input.blockStride <= Int(Int32.max) }
    // In floating point: a file may state any numbers.
    let bytes =
      Double(input.blocks) * Double(geometry.kernel[0]) * Double(geometry.extent(1))
      * Double(geometry.span(2)) * Double(4 * input.width)
    let layer = ConvolutionLayer.byteCount(geometry, input: input, output: output)
    return bytes <= Double(max(1 << 16, min(layer, 1 << 28)))
  }

  /// - Parameter isPlain: the input lies as the model lays it out.
  init(
    _ kernels: UnsafePointer<apus_kernels>, _ geometry: SpatialGeometry, groups: Int,
    input: ChannelBlocks, output: ChannelBlocks, isPlain: Bool, threads: Int,
    _ activation: Activation
  ) {
    // Scratch memory stays small beside what the layer works on.
    let cacheShare = min(
      BlockedConvolution.cacheShare * kernels.pointee.core_cache / 16,
      ConvolutionLayer.byteCount(geometry, input: input, output: output) / 12)
    self.kernels = kernels
    self.input = input
    self.output = output
    items = input.items
    let g = geometry.foldedIfPointwise
    let v = input.width
    wordDepth = kernels.pointee.word_depth
    let floats = isPlain ? 1 : v
    /// Words of what the kernel reads at a position.
    let lanes = floats / wordDepth
    let planes = isPlain ? input.channels : input.blocks
    inputStride = planes * input.positions * floats
    depth = g.output[0]
    height = g.output[1]
    width = g.output[2]
    rowLength = geometry.output[2]
    let isInPlace = g.staysInside && wordDepth == 1
    // A single row, as 1 x 1 convolutions and those of sequences have, is cut.
    cutsRow = depth * height == 1
    let fit = cacheShare / (planes * lanes * 4) / 84 * 84
    unitWidth = cutsRow ? max(28, min(width, fit)) : width
    let columns = isInPlace ? g.input[2] : (unitWidth - 1) * g.stride[2] + g.extent(2)
    let rowStride = columns * lanes
    let extent = g.extent(1)
    /// Bytes of one row of all planes.
    let rowBytes = planes * rowStride * 4
    let most = Share.most(of: items * depth * height, threads)
    unitRows = g.rowsAtOnce(cache: cacheShare, rowBytes: rowBytes, most: most)
    let bandRows = isInPlace ? g.input[1] : (unitRows - 1) * g.stride[1] + extent
    var slices = 1
    if unitRows == height, g.stride[0] == 1, g.dilation[0] == 1 {
      let fit = cacheShare / max(1, rowBytes * bandRows) - g.kernel[0] + 1
      slices = max(1, min(depth, fit, most / height))
    }
    unitSlices = slices
    let tapSlice = bandRows * rowStride * (isInPlace ? g.dilation[0] : 1)
    sliceStride = bandRows * rowStride * (isInPlace ? g.stride[0] : 1)
    var planeStride = input.positions * lanes
    if !isInPlace {
      planeStride = (g.kernel[0] + slices - 1) * sliceStride
      // Planes at multiples of 4 KiB would share a few lines of the cache.
      if planeStride % 1024 == 0 { planeStride += v }
    }
    self.planeStride = planeStride
    self.groups = groups
    func parts(most: Int) -> [ConvolutionPart] {
      ConvolutionPart.all(
        most: most, groups: groups, channels: input.channels, rows: output.channels,
        blockWidth: output.width, wordDepth: kernels.pointee.word_depth, taps: g.kernelCount)
    }
    self.parts = parts(most: Int.max)
    pairs = parts(most: 2)
    dividesBlocks =
      threads > 1 && groups == 1 && output.blocks >= 4 * threads
      && output.channels * g.kernelCount > BlockedConvolution.fewWeights * input.items
        * input.positions
    tapOffsets = .allocate(capacity: max(1, g.kernelCount))
    descriptor = apus_blocked_convolution(
      channels: 0, first_lane: 0, taps: g.kernelCount, tap_offsets: UnsafePointer(tapOffsets),
      x_block: isPlain ? v * planeStride : planeStride, x_channel: isPlain ? planeStride : 1,
      x_row: g.stride[1] * rowStride, x_position: g.stride[2] * lanes, rows: 0, width: 0, blocks: 0,
      last_lanes: v, y_block: output.blockStride, y_row: g.output[2] * v,
      minimum: activation.minimum, maximum: activation.maximum)
    for kz in 0..<g.kernel[0] {
      for ky in 0..<g.kernel[1] {
        for kx in 0..<g.kernel[2] {
          let offset = kz * tapSlice + ky * g.dilation[1] * rowStride + kx * g.dilation[2] * lanes
          tapOffsets[(kz * g.kernel[1] + ky) * g.kernel[2] + kx] = Int32(truncatingIfNeeded: offset)
        }
      }
    }
    if isInPlace {
      band = nil
      return
    }
    band = Band(
      descriptor: apus_blocked_band(
        planes: planes, lanes: floats, input_height: g.input[1], input_width: g.input[2],
        x_plane: input.positions * floats, out_plane: planeStride, first_row: 0, rows: 0,
        first_column: -g.padBegin[2], columns: columns),
      stepX: g.stride[2], stepY: g.stride[1], padY: g.padBegin[1], extentY: extent, slices: g.kernel[0],
      inputSlices: g.input[0], stepZ: g.stride[0], padZ: g.padBegin[0], dilationZ: g.dilation[0])
  }

  deinit { tapOffsets.deallocate() }

  var scratchCount: Int { (band?.descriptor.planes ?? 0) * planeStride }

  /// Weights for each input: more are read twice more slowly than inputs come from another core.
  private static var fewWeights: Int { 20 }

  /// Output blocks; or positions where the only row may be cut, else rows of all slices and items.
  func part(of share: Share) -> Range<Int> {
    if dividesBlocks { return share.part(of: output.blocks, grain: 2) }
    if !cutsRow { return share.part(of: items * depth * height) }
    return share.part(ofRows: items * width / rowLength, of: rowLength)
  }

  func run(
    _ part: Range<Int>, _ x: UnsafePointer<Float>, _ weights: UnsafePointer<Float>,
    _ bias: UnsafePointer<Float>?, _ addend: UnsafePointer<Float>?,
    _ y: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutablePointer<Float>?
  ) {
    let blocks = dividesBlocks ? part : 0..<output.blocks
    let part =
      !dividesBlocks ? part : 0..<(blocks.isEmpty ? 0 : items * (cutsRow ? width : depth * height))
    var next = part.lowerBound
    while next < part.upperBound {
      let left = part.upperBound - next
      var unit = Unit(slice: 0, slices: 1, row: 0, rows: 1, first: 0, width: width)
      let item: Int
      if cutsRow {
        item = next / width
        unit.first = next - item * width
        unit.width = Share.piece(of: min(left, width - unit.first), most: unitWidth, grain: 28)
        next += unit.width
      } else {
        item = next / (depth * height)
        unit.slice = next / height - item * depth
        unit.row = next % height
        if unitSlices > 1 && unit.row == 0 && left >= height {
          unit.slices = min(unitSlices, depth - unit.slice, left / height)
          unit.rows = height
        } else {
          // The kernel takes rows two by two.
          unit.rows = Share.piece(of: min(left, height - unit.row), most: unitRows, grain: 2)
        }
        next += unit.slices * unit.rows
      }
      run(item, unit, blocks, x, weights, bias, addend, y, scratch)
    }
  }

  private struct Unit {
    var slice: Int
    var slices: Int
    var row: Int
    var rows: Int
    var first: Int
    var width: Int
  }

  private func run(
    _ item: Int, _ unit: Unit, _ blocks: Range<Int>, _ x: UnsafePointer<Float>,
    _ weights: UnsafePointer<Float>, _ bias: UnsafePointer<Float>?,
    _ addend: UnsafePointer<Float>?, _ y: UnsafeMutablePointer<Float>,
    _ scratch: UnsafeMutablePointer<Float>?
  ) {
    var d = descriptor
    let v = output.width
    d.rows = unit.rows
    d.width = unit.width
    var source = x + item * inputStride
    if let scratch {
      fill(scratch, from: source, unit.slice, unit.slices, unit.row, unit.rows, unit.first)
      source = UnsafePointer(scratch)
    } else {
      source += unit.slice * sliceStride + unit.row * d.x_row + unit.first * d.x_position
    }
    let target =
      item * output.itemStride + (unit.slice * height + unit.row) * d.y_row + unit.first * v
    var weights = weights
    for part in unit.slices > 1 ? pairs : parts {
      // In twos, as the weights are packed.
      let first = max(part.firstBlock, blocks.lowerBound)
      let count = min(part.firstBlock + part.blocks, blocks.upperBound) - first
      if count > 0 {
        d.channels = kernels.pointee.words(part.channels)
        d.first_lane = part.firstChannel % v / wordDepth
        d.blocks = count
        d.last_lanes = first + count == output.blocks ? output.lastLanes : v
        let block = source + (part.firstChannel / v * d.x_block + d.first_lane * d.x_channel)
        let firstWeight = (first - part.firstBlock) * (part.weights / part.blocks)
        for slice in 0..<unit.slices {
          let place = target + first * d.y_block + slice * height * d.y_row
          kernels.pointee.blocked_convolve(
            &d, block + slice * sliceStride, weights + firstWeight, bias.map { $0 + first * v },
            addend.map { $0 + place }, y + place)
        }
      }
      weights += part.weights
    }
  }

  /// Copies the band of `rows` output rows of `slices` output slices, from a position on.
  private func fill(
    _ scratch: UnsafeMutablePointer<Float>, from x: UnsafePointer<Float>, _ firstSlice: Int,
    _ slices: Int, _ firstRow: Int, _ rows: Int, _ first: Int
  ) {
    guard let band else { return }
    var b = band.descriptor
    b.first_row = firstRow * band.stepY - band.padY
    b.rows = (rows - 1) * band.stepY + band.extentY
    b.first_column += first * band.stepX
    let height = b.input_height
    for slice in 0..<(band.slices + slices - 1) {
      let z = firstSlice * band.stepZ - band.padZ + slice * band.dilationZ
      let isInside = z >= 0 && z < band.inputSlices
      b.input_height = isInside ? height : 0
      kernels.pointee.blocked_band(
        &b, x + (isInside ? z * height * b.input_width * b.lanes : 0),
        scratch + slice * sliceStride)
    }
  }

  // MARK: Groups

  /// Floats of packed weights: products for each position.
  var weightCount: Int { parts.reduce(0) { $0 + $1.weights } }

  /// Packs weights [row][channel of its group][tap] for each part.
  func pack(_ weights: UnsafePointer<Float>, _ packed: UnsafeMutablePointer<Float>) {
    let v = output.width
    let taps = descriptor.taps
    let rowCount = input.channels / groups * taps
    let order = UnsafeMutablePointer<Int32>.allocate(capacity: taps)
    defer { order.deallocate() }
    for tap in 0..<taps { order[tap] = Int32(truncatingIfNeeded: tap) }
    var target = packed
    for part in parts {
      let end = min(output.channels, (part.firstBlock + part.blocks) * v)
      let stride = part.channels * taps
      // As many rows as are packed side by side.
      let dense = UnsafeMutablePointer<Float>.allocate(capacity: 2 * v * stride)
      defer { dense.deallocate() }
      var row = part.firstBlock * v
      while row < end {
        let rows = min(2 * v, end - row)
        dense.initialize(repeating: 0, count: rows * stride)
        for r in 0..<rows {
          let group = (row + r) / (output.channels / groups)
          let channel = group * (input.channels / groups) - part.firstChannel
          (dense + (r * stride + channel * taps)).update(
            from: weights + (row + r) * rowCount, count: rowCount)
        }
        // The first block of channels may be a part of one.
        var channel = 0
        var count = min(part.channels, v - part.firstChannel % v)
        while channel < part.channels {
          kernels.pointee.blocked_pack(
            dense + channel * taps, rows, stride, count, taps, taps, order, target)
          target += kernels.pointee.blocked_packed_count(rows, count, taps)
          channel += count
          count = part.channels - channel
        }
        row += rows
      }
    }
  }
}

/// What a layer works on, in channel blocks.
enum ConvolutionLayer {
  /// Bytes of one item's input and output. Neither the batch nor the number of threads counts: what
  /// is chosen by it must not change an item's bits.
  static func itemByteCount(input: ChannelBlocks, output: ChannelBlocks) -> Int {
    4 * (input.itemStride + output.itemStride)
  }

  /// And of the weights.
  static func byteCount(
    _ geometry: SpatialGeometry, input: ChannelBlocks, output: ChannelBlocks
  ) -> Int {
    itemByteCount(input: input, output: output)
      + 4 * input.channels * output.blocks * output.width * geometry.kernelCount
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
    guard mayUseBlocks, let values = weights.constant,
      !node.hasInput(2) || node.input(2).constant != nil
    else { return false }
    let rows = weights.shape[0]
    if group > 1 && weights.shape[1] == 1 {
      guard group == rows, isBlocked(0) else { return false }
      planBlockedDepthwise(geometry, values, Activation(node), work: work)
      return true
    }
    let activation = Activation(self)
    let channels = node.input(0).shape[1]
    let input = ChannelBlocks(node.input(0).shape, kernels)
    let output = ChannelBlocks(node.outputs[0].shape, kernels)
    guard rows >= v, BlockedConvolution.isPossible(geometry, input: input, output: output)
    else { return false }
    largestConvolution = max(
      largestConvolution, ConvolutionLayer.itemByteCount(input: input, output: output))
    let matrixKernels = blockedKernels(geometry, group: group, input: input, output: output)
    if group == 1,
      planWinograd(
        geometry, input: input, output: output, values, activation,
        insteadOf: matrixKernels, work: work)
    {
      return true
    }
    // Of the many channels that a plain input may have, read in place, each position is on a line of
    // the cache of its own.
    let isPlain =
      !isBlocked(0) && !(geometry.staysInside && channels >= v)
      && matrixKernels.pointee.word_depth == 1
    let convolution = BlockedConvolution(
      matrixKernels, geometry, groups: group, input: input, output: output, isPlain: isPlain,
      threads: threads, activation)
    // Groups of few channels meet zeros for the most part. Those of 1 x 1 are not worth copies into
    // channel blocks and back.
    let products = weights.shape[1] * geometry.kernelCount * rows
    guard
      group == 1
        || convolution.weightCount <= BlockedConvolution.mostProducts * products
          && (isBlocked(0) || geometry.kernelCount > 1)
    else { return false }
    let packed = packedWeights(
      tag: BlockedPacking.weights + matrixKernels.pointee.tag,
      byteCount: 4 * convolution.weightCount
    ) { target in
      convolution.pack(
        values.assumingMemoryBound(to: Float.self), target.assumingMemoryBound(to: Float.self))
    }
    emit(
      convolution, x: isPlain ? self.input(0) : blockedInput(0), weights: packed, output,
      work: work)
    return true
  }

  /// Those of bf16 where the session asks for it and the channels come in whole words.
  private func blockedKernels(
    _ geometry: SpatialGeometry, group: Int, input: ChannelBlocks, output: ChannelBlocks
  ) -> UnsafePointer<apus_kernels> {
    let isWhole = input.channels >= input.width && input.channels / group % 2 == 0
    let isBand = BlockedConvolution.isPossible(
      geometry, input: input, output: output, readsInPlace: false)
    return isWhole && isBand ? matrixKernels : kernels
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
      // Half as fast as matrix kernels.
      work: 2 * work)
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
    split = PlaneSplit(output, rows: window.output_depth * window.output_height)
    self.input = input
    self.output = output
    taps = window.kernel_depth * window.kernel_height * window.kernel_width
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
