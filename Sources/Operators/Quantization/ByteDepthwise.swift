import CKernels
import ModelFormat

/// The weights of a depthwise convolution of bytes in the kernels' order, and behind them the starts of
/// each byte.
struct ByteDepthwiseWeights {
  let windows: ByteWindows
  let taps: Int
  let channels: Int
  /// Channels of a position, with those that mean nothing.
  let width: Int

  private var positions: Int { windows.descriptor.phases * windows.chunk }
  var starts: ByteStarts {
    ByteStarts(offset: positions * windows.descriptor.words, count: positions)
  }

  /// Packs weights [channel][tap], a byte each; nil: all are 1, and all channels' numbers those of the
  /// first.
  func pack(
    _ weights: UnsafePointer<UInt8>?, _ numbers: ByteLayerNumbers,
    _ packed: UnsafeMutablePointer<Int32>
  ) {
    let depth = windows.wordDepth
    let chunk = windows.chunk
    let words = windows.descriptor.words
    let copies = windows.copies
    for position in 0..<positions {
      let phase = position / chunk
      let byte = position % chunk
      // The order in which bytes come out of being interleaved.
      let place = byte % 16 / 4 * (chunk / 4) + byte / 16 * 4 + byte % 4
      let channel = weights == nil ? 0 : position % width
      let isThere = channel < channels
      var sum: Int32 = 0
      for word in 0..<words {
        var value: Int32 = 0
        for i in 0..<depth where isThere && word * depth + i < taps * copies {
          let tap = word * depth + i
          let number = weights.map { numbers.weight($0[channel * taps + tap / copies], channel) } ?? 1
          if tap % copies == 0 { sum &+= number }
          value |= numbers.part(tap % copies, of: number, at: i, depth: depth)
        }
        packed[(phase * words + word) * chunk + place] = value
      }
      starts.write(packed, phase * chunk + place, isThere ? channel : nil, sum, numbers)
    }
  }

  /// Lets the kernels read what was packed.
  func use(_ packed: UnsafePointer<Int32>, in d: inout apus_byte_windows) {
    d.weights = packed
    (d.start, d.scale) = starts.read(packed, 0)
  }
}

/// A depthwise convolution of quantised tensors with channels last: one input channel for each output
/// channel.
final class ByteDepthwiseStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let packing: ByteDepthwiseWeights
  private let x: Slot
  private let weights: Slot
  private let y: Slot
  private let scratch: Slot

  init(
    _ kernels: UnsafePointer<apus_kernels>, _ packing: ByteDepthwiseWeights, x: Slot,
    weights: Slot, y: Slot, scratch: Slot
  ) {
    self.kernels = kernels
    self.packing = packing
    self.x = x
    self.weights = weights
    self.y = y
    self.scratch = scratch
  }

  override func run(_ memory: Memory, _ share: Share) {
    var d = packing.windows.descriptor
    packing.use(memory[weights].assumingMemoryBound(to: Int32.self), in: &d)
    packing.windows.run(
      d, share, memory[x], memory[y], memory[scratch], kernels.pointee.byte_depthwise)
  }
}
