import CKernels
import ModelFormat

/// A 3 × 3 convolution of stride 1 by Winograd's minimal filtering F(m × m, 3 × 3), in channel blocks:
/// tiles of m × m outputs are transformed to (m + 2)² points, at each of which channels meet weights in
/// a matrix product, with up to 5 times fewer multiplications than the sum has. Lavin and Gray 2016.
///
/// A block of tiles goes through all three stages while its points stay in the cache.
///
/// Of a volume each slice of the output is a plane of its own: the slices that its windows reach
/// are transformed, and their products add up at the points.
final class BlockedWinograd: BlockedLayer {
  private let kernels: UnsafePointer<apus_kernels>
  private let descriptor: apus_winograd
  private let minimum: Float
  private let maximum: Float
  private let input: ChannelBlocks
  private let output: ChannelBlocks
  private let tiles: Int
  /// Of a plane: a slice of the output, or an item of the batch that has only one.
  private let planes: Int
  /// Whether threads divide output blocks, not tiles.
  private let dividesBlocks: Bool
  /// Tiles of a block; of several planes, where all tiles of one are few.
  private let blockTiles: Int
  private let blockPlanes: Int
  /// Slices of the input and the output, and how a window reaches over them.
  private let inputSlices: Int
  private let depth: Int
  private let slices: Int
  private let stepZ: Int
  private let dilationZ: Int
  private let padZ: Int
  /// Floats from one point to the next of the inputs, the products and the weights.
  private let inputStride: Int
  private let outputStride: Int
  private let weightStride: Int
  private let tapOffsets: UnsafeMutablePointer<Int32>

  var points: Int { (descriptor.m + 2) * (descriptor.m + 2) }
  var scratchCount: Int { points * (inputStride + outputStride) }

  init(
    _ kernels: UnsafePointer<apus_kernels>, _ geometry: SpatialGeometry, m: Int,
    input: ChannelBlocks, output: ChannelBlocks, scratchLimit: Int, threads: Int,
    _ activation: Activation
  ) {
    self.kernels = kernels
    self.input = input
    self.output = output
    minimum = activation.minimum
    maximum = activation.maximum
    let across = (geometry.output[2] + m - 1) / m
    tiles = across * ((geometry.output[1] + m - 1) / m)
    let points = (m + 2) * (m + 2)
    let v = input.width
    inputSlices = geometry.input[0]
    depth = geometry.output[0]
    slices = geometry.kernel[0]
    stepZ = geometry.stride[0]
    dilationZ = geometry.dilation[0]
    padZ = geometry.padBegin[0]
    planes = input.items * depth
    weightStride = kernels.pointee.blocked_packed_count(output.channels, input.channels, slices)
    // Weights that stay in the core's cache beside it: a block that does as well. Others are read
    // anew for each block, so let there be few.
    let cache = kernels.pointee.core_cache
    let limit = min(points * weightStride * 4 <= cache ? cache / 2 : 3 << 20, scratchLimit)
    let fewest = BlockedWinograd.fewestTiles
    let tileBytes = BlockedWinograd.tileBytes(geometry, m, input: input, output: output)
    let fit = limit / tileBytes
    // All tiles, where nearly all fit: a rest of a few would read all weights once more.
    let takesAll = tiles <= fit || 3 * tiles <= 4 * fit && tiles * tileBytes <= scratchLimit
    dividesBlocks =
      threads > 1 && output.blocks >= 4 * threads
      && points * weightStride > BlockedWinograd.fewWeights * input.count
    let share = dividesBlocks ? tiles * planes : (tiles * planes + threads - 1) / threads
    blockTiles = max(1, min(takesAll ? tiles : max(fewest, fit / fewest * fewest), tiles, share))
    blockPlanes = blockTiles == tiles ? max(1, min(planes, fit / tiles, share / tiles)) : 1
    // Points at multiples of 4 KiB would share a few lines of the cache.
    func spread(_ count: Int) -> Int { count % 256 == 0 ? count + v : count }
    let blockOfTiles = blockTiles * blockPlanes * v
    inputStride = spread(slices * input.blocks * blockOfTiles)
    outputStride = spread(output.blocks * blockOfTiles)
    descriptor = apus_winograd(
      m: m, input_height: geometry.input[1], input_width: geometry.input[2],
      pad_y: geometry.padBegin[1], pad_x: geometry.padBegin[2], output_height: geometry.output[1],
      output_width: geometry.output[2], tiles_x: across, first_tile: 0, tiles: 0, point_stride: 0)
    tapOffsets = .allocate(capacity: slices)
    for z in 0..<slices {
      tapOffsets[z] = Int32(truncatingIfNeeded: z * input.blocks * blockOfTiles)
    }
  }

  deinit { tapOffsets.deallocate() }

  /// Bytes of the transformed weights, packed for each point.
  var packedByteCount: Int { points * weightStride * 4 }

  /// Transforms weights [rows][channels][slices][3][3] and packs them.
  func pack(_ weights: UnsafePointer<Float>, _ packed: UnsafeMutablePointer<Float>) {
    let channels = input.channels
    // As many rows as the packing puts side by side.
    let rowsAtOnce = 2 * input.width
    let sliceStride = rowsAtOnce * channels
    let pointStride = slices * sliceStride
    let transformed = UnsafeMutablePointer<Float>.allocate(capacity: points * pointStride)
    let order = UnsafeMutablePointer<Int32>.allocate(capacity: slices)
    for z in 0..<slices { order[z] = Int32(truncatingIfNeeded: z * sliceStride) }
    defer {
      transformed.deallocate()
      order.deallocate()
    }
    let channelStride = slices * 9
    var row = 0
    while row < output.channels {
      let rows = min(rowsAtOnce, output.channels - row)
      for z in 0..<slices {
        kernels.pointee.winograd_weights(
          descriptor.m, weights + (row * channels * channelStride + z * 9), rows,
          channels * channelStride, channels, channelStride, pointStride,
          transformed + z * sliceStride)
      }
      for point in 0..<points {
        kernels.pointee.blocked_pack(
          transformed + point * pointStride, rows, channels, channels, 1, slices, order,
          packed + point * weightStride + row * channels * slices)
      }
      row += rows
    }
  }

  /// Weights for each input, in points: more are read twice more slowly than inputs are transformed
  /// twice and come from another core.
  private static var fewWeights: Int { 40 }

  /// Output blocks, or tiles of all planes.
  func part(of share: Share) -> Range<Int> {
    if dividesBlocks { return share.part(of: output.blocks, grain: 2) }
    return share.part(of: planes * tiles, grain: planes >= 4 * share.count ? tiles : 1)
  }

  func run(
    _ part: Range<Int>, _ x: UnsafePointer<Float>, _ weights: UnsafePointer<Float>,
    _ bias: UnsafePointer<Float>?, _ addend: UnsafePointer<Float>?,
    _ y: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutablePointer<Float>?
  ) {
    guard let scratch else { return }
    let blocks = dividesBlocks ? part : 0..<output.blocks
    let part = dividesBlocks ? 0..<planes * tiles : part
    if blocks.isEmpty { return }
    var next = part.lowerBound
    while next < part.upperBound {
      let left = part.upperBound - next
      let plane = next / tiles
      let tile = next - plane * tiles
      let count = tile == 0 ? max(1, min(blockPlanes, left / tiles)) : 1
      let n = Share.piece(
        of: min(left, tiles - tile), most: blockTiles, grain: BlockedWinograd.fewestTiles)
      run(planes: plane, count, tiles: tile, n, blocks, x, weights, bias, addend, y, scratch)
      next += count * n
    }
  }

  /// Output blocks `blocks` of `tileCount` tiles of each of `count` planes.
  private func run(
    planes first: Int, _ count: Int, tiles firstTile: Int, _ tileCount: Int,
    _ blocks: Range<Int>, _ x: UnsafePointer<Float>, _ weights: UnsafePointer<Float>,
    _ bias: UnsafePointer<Float>?, _ addend: UnsafePointer<Float>?,
    _ y: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutablePointer<Float>
  ) {
    var w = descriptor
    w.first_tile = firstTile
    w.tiles = tileCount
    w.point_stride = inputStride
    let blockOfTiles = blockTiles * blockPlanes * input.width
    for i in 0..<count {
      let plane = first + i
      for slice in 0..<slices {
        let z = plane % depth * stepZ - padZ + slice * dilationZ
        let target = scratch + (Int(tapOffsets[slice]) + i * blockTiles * input.width)
        let source = plane / depth * input.itemStride + z * (input.blockStride / inputSlices)
        for block in 0..<input.blocks {
          let points = target + block * blockOfTiles
          if z >= 0 && z < inputSlices {
            kernels.pointee.winograd_input(&w, x + (source + block * input.blockStride), points)
          } else {
            clear(points, w.tiles * input.width)
          }
        }
      }
    }
    let products = scratch + points * inputStride
    var d = apus_blocked_convolution(
      channels: input.channels, first_lane: 0, taps: slices,
      tap_offsets: UnsafePointer(tapOffsets),
      x_block: blockOfTiles, x_channel: 1, x_row: 0, x_position: input.width, rows: 1,
      width: w.tiles * count, blocks: blocks.count,
      last_lanes: blocks.upperBound == output.blocks ? output.lastLanes : output.width,
      y_block: blockOfTiles, y_row: 0,
      minimum: -Float.infinity, maximum: Float.infinity)
    let firstWeight = blocks.lowerBound * output.width * input.channels * slices
    for point in 0..<points {
      kernels.pointee.blocked_convolve(
        &d, scratch + point * inputStride, weights + (point * weightStride + firstWeight), nil, nil,
        products + (point * outputStride + blocks.lowerBound * blockOfTiles))
    }
    w.point_stride = outputStride
    for i in 0..<count {
      let plane = first + i
      for block in blocks {
        let place =
          plane / depth * output.itemStride + block * output.blockStride
          + plane % depth * (output.blockStride / depth)
        kernels.pointee.winograd_output(
          &w, products + (block * blockOfTiles + i * blockTiles * output.width),
          bias.map { $0 + block * output.width }, addend.map { $0 + place }, minimum, maximum,
          y + place)
      }
    }
  }

  /// A slice that does not exist: zeros, `count` at each of the points.
  private func clear(_ target: UnsafeMutablePointer<Float>, _ count: Int) {
    for point in 0..<points {
      (target + point * inputStride).update(repeating: 0, count: count)
    }
  }

  // MARK: Choice

  /// Cycles of the transforms of one tile and one block of channels, as measured with 16 lanes.
  private static func transformCost(_ m: Int) -> (input: Int, output: Int) {
    switch m {
    case 2: (84, 48)
    case 4: (203, 130)
    default: (328, 263)
    }
  }

  /// Bytes of weights that no run finds in a cache.
  private static var fromMemory: Int { 24 << 20 }

  /// Fewer tiles in a block do not keep the multipliers busy.
  private static var fewestTiles: Int { 14 }

  /// Each slice of a window is transformed anew for every slice of the output that it belongs to.
  private static var mostSlices: Int { 5 }

  /// Bytes of a tile's points before and after the products.
  private static func tileBytes(
    _ geometry: SpatialGeometry, _ m: Int, input: ChannelBlocks, output: ChannelBlocks
  ) -> Int {
    (m + 2) * (m + 2) * (geometry.kernel[0] * input.blocks + output.blocks) * input.width * 4
  }

  /// Scratch memory stays small beside what the layer works on, where that is little beside its
  /// weights; or it fits beside the layer in what the largest layer of the network has needed.
  static func scratchLimit(
    _ geometry: SpatialGeometry, input: ChannelBlocks, output: ChannelBlocks, largest: Int
  ) -> Int {
    let layer = ConvolutionLayer.byteCount(geometry, input: input, output: output)
    let item = ConvolutionLayer.itemByteCount(input: input, output: output)
    if layer < 184 << 10 { return max(layer / 6, (layer - item) * 2 / 3) }
    return max(layer / 2, 260 << 10, largest - item)
  }

  /// The m that computes a convolution in the least time; nil where the direct sum does.
  ///
  /// Costs are in multiply-adds of whole vectors. They look at one item's shapes alone, in this
  /// layer and in those before it: the choice, and so the bits, are the same in every batch and for
  /// every number of threads.
  ///
  /// - Parameter wordDepth: the products of the direct sum that one instruction makes in each lane.
  static func choose(
    _ geometry: SpatialGeometry, input: ChannelBlocks, output: ChannelBlocks, scratchLimit: Int,
    wordDepth: Int
  ) -> Int? {
    guard geometry.kernel[1] == 3, geometry.kernel[2] == 3, geometry.stride[1] == 1,
      geometry.stride[2] == 1, geometry.dilation[1] == 1, geometry.dilation[2] == 1,
      geometry.kernel[0] <= mostSlices
    else { return nil }
    let products = geometry.kernel[0] * input.channels * output.blocks
    var best: Int?
    var least = geometry.outputCount * 9 * products / wordDepth
    for m in [2, 4, 6] {
      let tiles =
        geometry.output[0] * ((geometry.output[1] + m - 1) / m)
        * ((geometry.output[2] + m - 1) / m)
      let points = (m + 2) * (m + 2)
      let cost = transformCost(m)
      let transforms =
        tiles
        * (geometry.kernel[0] * input.blocks * cost.input + output.blocks * cost.output)
      // Short sums keep the multipliers less busy, and large weights come from far: from memory where
      // there are more than fit any cache, and all threads together wait for that.
      let multiplications = tiles * points * products * 10 / 9
      let byteCount = points * products * input.width * 4
      let weights = byteCount / 16 * (byteCount > fromMemory ? 2 : 1)
      let total = transforms + multiplications + weights
      let scratch = min(tiles, fewestTiles) * tileBytes(geometry, m, input: input, output: output)
      if total < least, scratch <= scratchLimit {
        least = total
        best = m
      }
    }
    return best
  }
}

extension PlanContext {
  /// Plans a convolution by Winograd's transforms, in float32, where they save time.
  func planWinograd(
    _ geometry: SpatialGeometry, input: ChannelBlocks, output: ChannelBlocks,
    _ weights: UnsafeRawPointer, _ activation: Activation,
    insteadOf direct: UnsafePointer<apus_kernels>, work: Int
  ) -> Bool {
    // Fewer channels than lanes: most of what the input's transform computes is nothing.
    guard usesWinograd, input.channels >= input.width else { return false }
    let limit = BlockedWinograd.scratchLimit(
      geometry, input: input, output: output, largest: largestConvolution)
    guard
      let m = BlockedWinograd.choose(
        geometry, input: input, output: output, scratchLimit: limit,
        wordDepth: direct.pointee.word_depth)
    else { return false }
    let winograd = BlockedWinograd(
      kernels, geometry, m: m, input: input, output: output, scratchLimit: limit, threads: threads,
      activation)
    let packed = packedWeights(
      tag: BlockedPacking.winograd + m, byteCount: winograd.packedByteCount
    ) { target in
      winograd.pack(
        weights.assumingMemoryBound(to: Float.self), target.assumingMemoryBound(to: Float.self))
    }
    // A quarter of the sum's multiplications, or less.
    emit(winograd, x: blockedInput(0), weights: packed, output, work: work / 4)
    return true
  }
}
