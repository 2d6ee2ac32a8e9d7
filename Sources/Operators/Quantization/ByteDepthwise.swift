import CKernels
import ModelFormat

/// A depthwise convolution of quantised tensors with channels last, whose weights and parameters are
/// constants: one input channel for each output channel.
///
/// The input is copied with its padding, and columns that windows step over to where the next ones
/// read: to the kernels a row is a string of bytes, whose channels only say which weights are whose.
final class ByteDepthwise {
  private let kernels: UnsafePointer<apus_kernels>
  /// All but rows and the numbers.
  private var descriptor: apus_byte_depthwise
  private let output: ChannelBlocks
  private let inputStride: Int
  private let height: Int
  /// Rows of all slices and items.
  private let rows: Int
  private let depth: Int
  private let unitRows: Int
  private let band: ByteBand
  private let tapOffsets: UnsafeMutablePointer<Int32>
  private let taps: Int
  /// Taps of a word, bytes of a chunk.
  private let wordDepth: Int
  private let chunk: Int

  init(
    _ kernels: UnsafePointer<apus_kernels>, _ g: SpatialGeometry, output: ChannelBlocks,
    threads: Int, fill: UInt8, zero: Int32
  ) {
    self.kernels = kernels
    self.output = output
    let width = output.width
    depth = g.output[0]
    height = g.output[1]
    rows = output.items * depth * height
    inputStride = g.inputCount * width
    wordDepth = kernels.pointee.integer_word_depth
    chunk = 4 * kernels.pointee.vector_width
    let phases = g.stride[2]
    let span = (g.output[2] - 1) * g.stride[2] + g.extent(2)
    let columnsOfPhase = (span + phases - 1) / phases
    let rowStride = columnsOfPhase * phases * width
    let extent = g.extent(1)
    let fit = (kernels.pointee.core_cache / 8) / max(1, rowStride * g.kernel[0])
    let share = (rows + 2 * threads - 1) / (2 * threads)
    unitRows = max(1, min(height, (fit - extent) / g.stride[1] + 1, threads > 1 ? share : height))
    let sliceStride = ((unitRows - 1) * g.stride[1] + extent) * rowStride
    band = ByteBand(
      geometry: g, planes: 1, numbers: width, size: 1, columns: columnsOfPhase * phases,
      planeStride: g.kernel[0] * sliceStride, sliceStride: sliceStride, flip: 0, fill: fill,
      phases: phases)
    taps = g.kernelCount
    let words = (taps + wordDepth - 1) / wordDepth
    tapOffsets = .allocate(capacity: 4 * words)
    tapOffsets.initialize(repeating: 0, count: 4 * words)
    for t in 0..<taps {
      let x = t % g.kernel[2] * g.dilation[2]
      let y = t / g.kernel[2] % g.kernel[1] * g.dilation[1]
      let z = t / (g.kernel[2] * g.kernel[1])
      tapOffsets[t / wordDepth * 4 + t % wordDepth] = Int32(
        truncatingIfNeeded: z * sliceStride + y * rowStride
          + (x % phases * columnsOfPhase + x / phases) * width)
    }
    let length = g.output[2] * width
    var common = width
    while chunk % common != 0 && common % chunk != 0 { common += width }
    descriptor = apus_byte_depthwise(
      words: words, tap_offsets: UnsafePointer(tapOffsets), rows: 0, length: length,
      x_row: g.stride[1] * rowStride, y_row: length, phases: max(1, common / chunk), start: nil,
      scale: nil, weights: nil, zero: zero, lower: 0, upper: 255)
  }

  deinit { tapOffsets.deallocate() }

  /// Bytes that a thread needs beside the tensors: the band, and what a chunk reads beyond it.
  var scratchCount: Int { band.planeStride + 128 }

  var isPossible: Bool { scratchCount <= Int(Int32.max) / 8 }

  /// 32-bit words of the weights; start and scale follow.
  private var weightCount: Int { descriptor.phases * descriptor.words * chunk }
  var byteCount: Int { 4 * (weightCount + 2 * descriptor.phases * chunk) }

  /// Packs weights [channel][tap], a byte each; as ByteWeights.pack.
  func pack(
    _ weights: UnsafePointer<UInt8>, flip: UInt8, _ packed: UnsafeMutablePointer<Int32>,
    start: (Int, Int32) -> Int32, scale: (Int) -> Float
  ) {
    let bits = 32 / wordDepth
    let lanes = chunk / 4
    let starts = packed + weightCount
    let scales = starts + descriptor.phases * chunk
    for position in 0..<(descriptor.phases * chunk) {
      let phase = position / chunk
      let byte = position % chunk
      // The order in which bytes come out of being interleaved.
      let place = byte % 16 / 4 * lanes + byte / 16 * 4 + byte % 4
      let channel = position % output.width
      let isThere = channel < output.channels
      var sum: Int32 = 0
      for word in 0..<descriptor.words {
        var value: Int32 = 0
        for i in 0..<wordDepth where isThere && word * wordDepth + i < taps {
          let number = Int32(Int8(bitPattern: weights[channel * taps + word * wordDepth + i] ^ flip))
          sum &+= number
          value |= (number & (wordDepth == 4 ? 0xFF : 0xFFFF)) << Int32(i * bits)
        }
        packed[(phase * descriptor.words + word) * chunk + place] = value
      }
      starts[phase * chunk + place] = isThere ? start(channel, sum) : 0
      UnsafeMutableRawPointer(scales + (phase * chunk + place)).storeBytes(
        of: isThere ? scale(channel) : 0, as: Float.self)
    }
  }

  func run(
    _ share: Share, _ x: UnsafePointer<UInt8>, _ packed: UnsafePointer<Int32>,
    _ y: UnsafeMutablePointer<UInt8>, _ scratch: UnsafeMutablePointer<UInt8>
  ) {
    var d = descriptor
    d.weights = packed
    d.start = packed + weightCount
    d.scale = UnsafeRawPointer(packed + (weightCount + d.phases * chunk))
      .assumingMemoryBound(to: Float.self)
    let part = share.part(of: rows)
    var next = part.lowerBound
    while next < part.upperBound {
      let item = next / (depth * height)
      let row = next % height
      d.rows = Share.piece(
        of: min(part.upperBound - next, height - row), most: unitRows, grain: 1)
      band.fill(
        scratch, from: x + item * inputStride, slice: next / height - item * depth, row: row,
        rows: d.rows, first: 0)
      kernels.pointee.byte_depthwise(&d, scratch, y + next * d.y_row)
      next += d.rows
    }
  }
}
