import CKernels
import ModelFormat

/// The weights of a depthwise convolution of bytes in the kernels' order, and behind them, for each
/// byte, what its sum starts from and its scale.
struct ByteDepthwiseWeights {
  let windows: ByteWindows
  let taps: Int
  let channels: Int
  /// Channels of a position, with those that mean nothing.
  let width: Int

  private var positions: Int { windows.descriptor.phases * windows.chunk }
  private var weightCount: Int { positions * windows.descriptor.words }
  var byteCount: Int { 4 * (weightCount + 2 * positions) }

  /// Packs weights [channel][tap], a byte each; as ByteWeights.pack.
  func pack(
    _ weights: UnsafePointer<UInt8>, flip: UInt8, _ packed: UnsafeMutablePointer<Int32>,
    start: (Int, Int32) -> Int32, scale: (Int) -> Float
  ) {
    let depth = windows.wordDepth
    let chunk = windows.chunk
    let words = windows.descriptor.words
    let starts = packed + weightCount
    for position in 0..<positions {
      let phase = position / chunk
      let byte = position % chunk
      // The order in which bytes come out of being interleaved.
      let place = byte % 16 / 4 * (chunk / 4) + byte / 16 * 4 + byte % 4
      let channel = position % width
      let isThere = channel < channels
      var sum: Int32 = 0
      for word in 0..<words {
        var value: Int32 = 0
        for i in 0..<depth where isThere && word * depth + i < taps {
          let number = Int32(Int8(bitPattern: weights[channel * taps + word * depth + i] ^ flip))
          sum &+= number
          value |= (number & (depth == 4 ? 0xFF : 0xFFFF)) << Int32(i * (32 / depth))
        }
        packed[(phase * words + word) * chunk + place] = value
      }
      starts[phase * chunk + place] = isThere ? start(channel, sum) : 0
      UnsafeMutableRawPointer(starts + (positions + phase * chunk + place)).storeBytes(
        of: isThere ? scale(channel) : 0, as: Float.self)
    }
  }

  /// Lets the kernels read what was packed.
  func use(_ packed: UnsafePointer<Int32>, in d: inout apus_byte_windows) {
    d.weights = packed
    d.start = packed + weightCount
    d.scale = UnsafeRawPointer(packed + (weightCount + positions))
      .assumingMemoryBound(to: Float.self)
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
