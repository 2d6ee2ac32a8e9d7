import CKernels
import ModelFormat

/// Windows over the channels of tensors of bytes with channels last, each over one channel.
///
/// The input is copied with its padding, and columns that windows step over to where the next ones
/// read: to the kernels a row is a string of bytes, whose channels only say which weights are whose.
final class ByteWindows {
  /// All but rows and the numbers.
  let descriptor: apus_byte_windows
  private let output: ChannelBlocks
  private let inputStride: Int
  private let height: Int
  /// Rows of all slices and items.
  private let rows: Int
  private let depth: Int
  private let unitRows: Int
  private let band: ByteBand
  private let tapOffsets: UnsafeMutablePointer<Int32>
  /// Taps of a word, bytes of a chunk, and how often each tap stands.
  let wordDepth: Int
  let chunk: Int
  let copies: Int

  /// - Parameters:
  ///   - fill: what stands in the padding.
  ///   - isUniform: all channels have the same weights.
  init(
    _ kernels: UnsafePointer<apus_kernels>, _ g: SpatialGeometry, output: ChannelBlocks,
    threads: Int, fill: UInt8, zero: Int32, limits: (lower: Int32, upper: Int32) = (0, 255),
    copies: Int = 1, isUniform: Bool = false
  ) {
    self.copies = copies
    self.output = output
    let width = output.width
    depth = g.output[0]
    height = g.output[1]
    rows = output.items * depth * height
    inputStride = g.inputCount * width
    wordDepth = kernels.pointee.byte_word_depth
    chunk = 4 * kernels.pointee.byte_lanes
    let phases = g.stride[2]
    let span = (g.output[2] - 1) * g.stride[2] + g.extent(2)
    let columnsOfPhase = (span + phases - 1) / phases
    let rowStride = columnsOfPhase * phases * width
    unitRows = g.rowsAtOnce(
      cache: kernels.pointee.core_cache / 8, rowBytes: rowStride,
      most: Share.most(of: rows, threads))
    let sliceStride = ((unitRows - 1) * g.stride[1] + g.extent(1)) * rowStride
    band = ByteBand(
      geometry: g, planes: 1, numbers: width, size: 1, columns: columnsOfPhase * phases,
      planeStride: g.kernel[0] * sliceStride, sliceStride: sliceStride, flip: 0, fill: fill,
      phases: phases)
    let taps = g.kernelCount * copies
    let words = (taps + wordDepth - 1) / wordDepth
    tapOffsets = .allocate(capacity: 4 * words)
    tapOffsets.initialize(repeating: 0, count: 4 * words)
    for copy in 0..<taps {
      let t = copy / copies
      let x = t % g.kernel[2] * g.dilation[2]
      let y = t / g.kernel[2] % g.kernel[1] * g.dilation[1]
      let z = t / (g.kernel[2] * g.kernel[1])
      tapOffsets[copy / wordDepth * 4 + copy % wordDepth] = Int32(
        truncatingIfNeeded: z * sliceStride + y * rowStride
          + (x % phases * columnsOfPhase + x / phases) * width)
    }
    let length = g.output[2] * width
    // Channels and chunks begin together again after so many bytes.
    var common = width
    while common % chunk != 0 && chunk % common != 0 { common += width }
    descriptor = apus_byte_windows(
      words: words, tap_offsets: UnsafePointer(tapOffsets), rows: 0, length: length,
      x_row: g.stride[1] * rowStride, y_row: length, phases: isUniform ? 1 : max(1, common / chunk),
      start: nil,
      scale: nil, weights: nil, zero: zero, lower: limits.lower, upper: limits.upper)
  }

  deinit { tapOffsets.deallocate() }

  /// Bytes that a thread needs beside the tensors: the band, and what a chunk reads beyond it.
  var scratchCount: Int { band.planeStride + 128 }

  /// Computes with a kernel what is `share`'s. `d` is the descriptor, with what else the kernel needs.
  func run(
    _ d: apus_byte_windows, _ share: Share, _ x: UnsafeRawPointer, _ y: UnsafeMutableRawPointer,
    _ scratch: UnsafeMutableRawPointer,
    _ kernel: @convention(c) (
      UnsafePointer<apus_byte_windows>?, UnsafePointer<UInt8>?, UnsafeMutablePointer<UInt8>?
    ) -> Void
  ) {
    var d = d
    let x = x.assumingMemoryBound(to: UInt8.self)
    let y = y.assumingMemoryBound(to: UInt8.self)
    let own = scratch.assumingMemoryBound(to: UInt8.self) + share.index * scratchCount
    let part = share.part(of: rows)
    var next = part.lowerBound
    while next < part.upperBound {
      let item = next / (depth * height)
      let row = next % height
      d.rows = Share.piece(
        of: min(part.upperBound - next, height - row), most: unitRows, grain: 1)
      band.fill(
        own, from: x + item * inputStride, slice: next / height - item * depth, row: row,
        rows: d.rows, first: 0)
      kernel(&d, own, y + next * d.y_row)
      next += d.rows
    }
  }
}
