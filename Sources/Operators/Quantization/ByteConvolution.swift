import CKernels
import ModelFormat

/// A convolution of quantised tensors with channels last (ChannelBlocks.swift), whose weights and
/// parameters are constants.
///
/// Windows that never leave the input read it in place. So do those that leave it by a column, where
/// zero is the byte 0, as behind ReLU: what lies outside is left out of the sums. For others a band of
/// the input, as many rows as stay in a core's cache, is copied with its padding; so it is where the
/// kernels' words are of 16-bit integers, to which the copy widens. An input of few channels is read
/// as the model lays it out: neighbours of a row then are the words, instead of channels.
final class ByteConvolution {
  private let kernels: UnsafePointer<apus_kernels>
  /// All but words, rows, width, blocks, start and scale; top is of the first row.
  private var descriptor: apus_byte_convolution
  private let weights: ByteWeights
  private let items: Int
  /// Bytes of an item.
  private let inputStride: Int
  private let output: ChannelBlocks
  /// Slices of the output, rows of each, and positions of each.
  private let depth: Int
  private let height: Int
  private let width: Int
  /// What is computed at once is so many rows, and so many positions of each, at most.
  private let unitRows: Int
  private let unitWidth: Int
  /// Whether a row may be cut, the only one.
  private let cutsRow: Bool
  /// Whether threads divide output blocks, not positions.
  private let dividesBlocks: Bool
  private let sliceStride: Int
  private let band: ByteBand?
  private let tapOffsets: UnsafeMutablePointer<Int32>

  /// Of the core's cache, what a unit's input should take beside the weights: in sixteenths.
  private static var cacheShare: Int { 3 }

  /// Weights for each input: more are read twice more slowly than inputs come from another core.
  private static var fewWeights: Int { 20 }

  /// - Parameters:
  ///   - geometry: folded where it looks at no rows, then of all items.
  ///   - isPlain: the input lies as the model lays it out.
  ///   - fill: what stands in the padding.
  init(
    _ kernels: UnsafePointer<apus_kernels>, _ weights: ByteWeights, _ g: SpatialGeometry,
    items: Int, input: ChannelBlocks, output: ChannelBlocks, isPlain: Bool, threads: Int,
    flip: UInt8, fill: UInt8, zero: Int32, limits: (lower: Int32, upper: Int32)
  ) {
    self.kernels = kernels
    self.weights = weights
    self.output = output
    self.items = items
    depth = g.output[0]
    height = g.output[1]
    width = g.output[2]
    let planes = isPlain ? input.channels : 1
    /// Numbers at a position, and bytes of each where the kernel reads them.
    let numbers = isPlain ? 1 : input.width
    let size = 4 / kernels.pointee.byte_word_depth
    let position = numbers * size
    inputStride = planes * g.inputCount * numbers
    cutsRow = depth * height == 1
    /// Whether the kernel could read the input where it lies.
    let fits = size == 1 && !isPlain
    // Rows of zeros above and below the input are left out.
    let skipsRows = fill == 0 && !cutsRow && planes == 1 && g.kernel[0] == 1 && g.dilation[1] == 1
    // So is a column at its sides, where the kernel can leave it out.
    let lastColumn = (width - 1) * g.stride[2] - g.padBegin[2] + g.kernel[2]
    let skipsColumns =
      skipsRows && fits && weights.copies == 1 && weights.parts.count == 1
      && g.padBegin[0] == 0 && g.padEnd[0] == 0 && g.padBegin[2] <= 1
      && lastColumn <= g.input[2] + 1 && g.kernel[2] > 1 && g.dilation[2] == 1
      && width % 14 == 0 && output.width % 32 == 0
    let isInPlace = fits && (g.staysInside || skipsColumns)
    let cacheShare = ByteConvolution.cacheShare * kernels.pointee.core_cache / 16
    let fit = cacheShare / (planes * position) / 14 * 14
    unitWidth = cutsRow ? max(28, min(width, fit)) : width
    // Words along a row may reach beyond the last window.
    let extentX = isPlain ? weights.wordsOfRow * weights.depth : g.extent(2)
    let columns = isInPlace ? g.input[2] : (unitWidth - 1) * g.stride[2] + extentX
    let rowStride = columns * position
    unitRows = g.rowsAtOnce(
      cache: cacheShare, rowBytes: planes * rowStride,
      most: Share.most(of: items * depth * height, threads))
    let bandRows = isInPlace ? g.input[1] : (unitRows - 1) * g.stride[1] + g.extent(1)
    sliceStride = bandRows * rowStride
    let planeStride = g.kernel[0] * sliceStride
    dividesBlocks =
      threads > 1 && weights.parts.count == 1 && output.width >= 64 * threads
      && weights.rows * g.kernelCount > ByteConvolution.fewWeights * items * g.inputCount
    tapOffsets = .allocate(capacity: max(1, weights.taps))
    before = isInPlace ? g.padBegin[1] * rowStride + g.padBegin[2] * position : 0
    descriptor = apus_byte_convolution(
      taps: weights.taps, words: 0, tap_offsets: UnsafePointer(tapOffsets),
      x_row: g.stride[1] * rowStride, x_position: g.stride[2] * position, rows: 0, width: 0,
      row_taps: skipsRows ? weights.taps / g.kernel[1] : weights.taps,
      top: skipsRows ? -g.padBegin[1] : 0,
      row_step: skipsRows ? g.stride[1] : 0, height: skipsRows ? g.input[1] : 1,
      skips_first: skipsColumns && g.padBegin[2] == 1 ? 1 : 0,
      skips_last: skipsColumns && lastColumn > g.input[2] ? 1 : 0, blocks: 0,
      y_row: width * output.width, y_position: output.width, start: nil, scale: nil,
      zero: zero, lower: limits.lower, upper: limits.upper)
    var t = 0
    for plane in 0..<(isPlain ? planes : 1) {
      for kz in 0..<g.kernel[0] {
        for ky in 0..<g.kernel[1] {
          for kx in 0..<(isPlain ? weights.wordsOfRow : g.kernel[2]) {
            let x = isPlain ? kx * weights.depth : kx * g.dilation[2]
            let slice = kz * sliceStride * (isInPlace ? g.dilation[0] : 1)
            for _ in 0..<weights.copies {
              tapOffsets[t] = Int32(
                truncatingIfNeeded: plane * planeStride + slice + ky * g.dilation[1] * rowStride
                  + x * position)
              t += 1
            }
          }
        }
      }
    }
    band =
      isInPlace
      ? nil
      : ByteBand(
        geometry: g, planes: planes, numbers: numbers, size: size, columns: columns,
        planeStride: planeStride, sliceStride: sliceStride, flip: isPlain ? flip : 0, fill: fill)
    stepZ = g.stride[0]
  }

  private let stepZ: Int
  /// Bytes before the input at which the first window begins, where it is read in place.
  private let before: Int

  deinit { tapOffsets.deallocate() }

  /// Bytes that a thread needs beside the tensors.
  var scratchCount: Int { band.map { ($0.planes * $0.planeStride + 127) / 64 * 64 } ?? 0 }

  func run(
    _ share: Share, _ x: UnsafePointer<UInt8>, _ packed: UnsafePointer<Int32>,
    _ y: UnsafeMutablePointer<UInt8>, _ scratch: UnsafeMutablePointer<UInt8>?
  ) {
    let all = items * (cutsRow ? width : depth * height)
    let blocks =
      dividesBlocks
      ? share.part(of: output.width / ChannelBlocks.byteBlock, grain: 2)
      : 0..<output.width / ChannelBlocks.byteBlock
    if blocks.isEmpty { return }
    let part = dividesBlocks ? 0..<all : share.part(of: all, grain: cutsRow ? 14 : 1)
    var next = part.lowerBound
    while next < part.upperBound {
      let left = part.upperBound - next
      var d = descriptor
      var (slice, row, first) = (0, 0, 0)
      let item: Int
      if cutsRow {
        item = next / width
        first = next - item * width
        d.rows = 1
        d.width = Share.piece(of: min(left, width - first), most: unitWidth, grain: 14)
        next += d.width
      } else {
        item = next / (depth * height)
        slice = next / height - item * depth
        row = next % height
        d.rows = Share.piece(of: min(left, height - row), most: unitRows, grain: 2)
        d.width = width
        next += d.rows
      }
      d.top += row * d.row_step
      var source = x + item * inputStride
      if let band, let scratch {
        band.fill(scratch, from: source, slice: slice, row: row, rows: d.rows, first: first)
        source = UnsafePointer(scratch)
      } else {
        source += slice * stepZ * sliceStride + row * d.x_row + first * d.x_position - before
      }
      let target = y + (item * output.itemStride + (slice * height + row) * d.y_row
        + first * d.y_position)
      run(&d, blocks, source, packed, target)
    }
  }

  /// Computes the unit that `d` describes, in each part those output blocks that are wanted.
  private func run(
    _ d: inout apus_byte_convolution, _ blocks: Range<Int>, _ x: UnsafePointer<UInt8>,
    _ packed: UnsafePointer<Int32>, _ y: UnsafeMutablePointer<UInt8>
  ) {
    let block = ChannelBlocks.byteBlock
    let size = 4 / weights.depth
    var partWeights = packed
    for part in weights.parts {
      let first = max(part.firstBlock, blocks.lowerBound)
      let count = min(part.firstBlock + part.blocks, blocks.upperBound) - first
      if count > 0 {
        d.words = weights.words(part)
        d.blocks = count
        (d.start, d.scale) = weights.starts.read(packed, first * block)
        kernels.pointee.byte_convolve(
          &d, x + (weights.isAlongRow ? 0 : part.firstChannel * size),
          partWeights + (first - part.firstBlock) * (part.weights / part.blocks), y + first * block)
      }
      partWeights += part.weights
    }
  }
}
