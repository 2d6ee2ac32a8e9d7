import CKernels
import ModelFormat

/// Where, behind packed weights of bytes, stands what each sum starts from, and its scale.
struct ByteStarts {
  /// 32-bit words of weights, and how many sums there are.
  let offset: Int
  let count: Int

  var byteCount: Int { 4 * (offset + 2 * count) }

  /// Those of sum `i`, which is a row's, of weights that add up to `sum`; nil: of none.
  func write(
    _ packed: UnsafeMutablePointer<Int32>, _ i: Int, _ row: Int?, _ sum: Int32,
    _ numbers: ByteLayerNumbers
  ) {
    let start = packed + (offset + i)
    start.pointee = row.map { numbers.start($0, sum) } ?? 0
    UnsafeMutableRawPointer(start + count).storeBytes(
      of: row.map { numbers.scale($0) } ?? 0, as: Float.self)
  }

  /// Those from sum `first` on.
  func read(
    _ packed: UnsafePointer<Int32>, _ first: Int
  ) -> (UnsafePointer<Int32>, UnsafePointer<Float>) {
    let start = packed + (offset + first)
    return (start, UnsafeRawPointer(start + count).assumingMemoryBound(to: Float.self))
  }
}

/// The weights of a convolution of bytes in the kernels' order, and behind them the starts of each
/// output channel.
final class ByteWeights {
  /// Numbers in a word.
  let depth: Int
  /// Output channels.
  let rows: Int
  let parts: [ConvolutionPart]
  /// Whether the words are neighbours of a row of a single channel, then so many a row; otherwise
  /// channels of a position.
  let isAlongRow: Bool
  let wordsOfRow: Int
  /// Taps as the kernels count them, `copies` times.
  let taps: Int
  let copies: Int
  /// Of the output channels.
  let starts: ByteStarts
  private let channelsOfGroup: Int
  private let rowsOfGroup: Int
  private let kernelCount: Int
  private let kernelWidth: Int
  /// Lanes of a vector.
  private let lanes: Int

  init(
    _ kernels: UnsafePointer<apus_kernels>, _ geometry: SpatialGeometry, groups: Int,
    channels: Int, rows: Int, copies: Int, isAlongRow: Bool
  ) {
    self.copies = copies
    let depth = kernels.pointee.byte_word_depth
    self.depth = depth
    self.rows = rows
    self.isAlongRow = isAlongRow
    lanes = kernels.pointee.byte_lanes
    channelsOfGroup = channels / groups
    rowsOfGroup = rows / groups
    kernelCount = geometry.kernelCount
    kernelWidth = geometry.kernel[2]
    wordsOfRow = (kernelWidth + depth - 1) / depth
    let taps =
      copies * (isAlongRow ? channels * kernelCount / kernelWidth * wordsOfRow : kernelCount)
    self.taps = taps
    parts = ConvolutionPart.all(
      most: Int.max, groups: groups, channels: channels, rows: rows,
      blockWidth: ChannelBlocks.byteBlock, wordDepth: isAlongRow ? channels : depth, taps: taps)
    let block = ChannelBlocks.byteBlock
    starts = ByteStarts(
      offset: parts.reduce(0) { $0 + $1.weights }, count: (rows + block - 1) / block * block)
  }

  /// Words of a tap.
  func words(_ part: ConvolutionPart) -> Int {
    isAlongRow ? 1 : (part.channels + depth - 1) / depth
  }

  /// Packs weights, a byte each, row `r`, channel `c` of its group and tap `t` at
  /// r · rowStride + c · channelStride + t.
  func pack(
    _ weights: UnsafePointer<UInt8>, rowStride: Int, channelStride: Int,
    _ numbers: ByteLayerNumbers, _ packed: UnsafeMutablePointer<Int32>
  ) {
    var target = packed
    for part in parts {
      let words = words(part)
      var row = part.firstBlock * ChannelBlocks.byteBlock
      let end = row + part.blocks * ChannelBlocks.byteBlock
      while row < end {
        let width = min(2 * lanes, end - row)
        for lane in 0..<width {
          let sum = packRow(
            row + lane, of: part, words, weights + (row + lane) * rowStride, channelStride, numbers,
            target + lane, width)
          starts.write(packed, row + lane, row + lane < rows ? row + lane : nil, sum, numbers)
        }
        target += words * taps * width
        row += width
      }
    }
  }

  /// One row's words, `step` words apart.
  ///
  /// - Returns: The sum of its weights.
  private func packRow(
    _ row: Int, of part: ConvolutionPart, _ words: Int, _ weights: UnsafePointer<UInt8>,
    _ channelStride: Int, _ numbers: ByteLayerNumbers, _ target: UnsafeMutablePointer<Int32>,
    _ step: Int
  ) -> Int32 {
    // Of the part's channels the row's group has those from this one on.
    let shift = row / rowsOfGroup * channelsOfGroup - part.firstChannel
    var out = target
    var sum: Int32 = 0
    for copy in 0..<taps {
      let tap = copy / copies
      for word in 0..<words {
        // The word's numbers that there are, and where.
        var first = word * depth - shift
        var (begin, end) = (max(0, -first), min(depth, channelsOfGroup - first))
        var stride = channelStride
        first = first * channelStride + tap
        if isAlongRow {
          let line = tap / wordsOfRow
          let x = tap % wordsOfRow * depth
          let perChannel = kernelCount / kernelWidth
          first = line / perChannel * channelStride + line % perChannel * kernelWidth + x
          (begin, end, stride) = (0, min(depth, kernelWidth - x), 1)
        }
        var value: Int32 = 0
        if row < rows {
          for i in begin..<max(begin, end) {
            let number = numbers.weight(weights[first + i * stride], row)
            if copy % copies == 0 { sum &+= number }
            value |= numbers.part(copy % copies, of: number, at: i, depth: depth)
          }
        }
        out.pointee = value
        out += step
      }
    }
    return sum
  }
}
