import CKernels
import ModelFormat

/// How a tensor [N, C, D1 … Dr] lies in channel blocks: [N][⌈C / V⌉][D1 … Dr][V], V being the lanes of
/// a vector register. What stands in the lanes beyond C means nothing.
///
/// Convolutions compute in this layout: lanes are channels, so that no width is too small for a
/// register and no window needs its input gathered. Whoever reads such a tensor as the model lays it
/// out gets a copy; what the caller sees is always the model's own layout.
///
/// A tensor of bytes has a single block, whole multiples of 16 channels wide: channels last. Its bytes
/// have no sign, an int8 tensor's being 128 more (ByteKernels.h).
public struct ChannelBlocks {
  public let items: Int
  public let channels: Int
  /// Elements of a channel.
  public let positions: Int
  /// Positions of a row.
  let rowLength: Int
  public let width: Int
  /// Of an element.
  let size: Int
  /// What turns a byte of the model's into one of ours, flipping bits; and what its zero point gains.
  let flip: UInt8

  init(_ shape: Shape, _ kernels: UnsafePointer<apus_kernels>, _ type: DataType = .float32) {
    items = shape[0]
    channels = shape[1]
    positions = shape.product(2, shape.rank)
    rowLength = shape.rank > 2 ? shape[shape.rank - 1] : 1
    size = type.size
    flip = type.flip
    let block = ChannelBlocks.byteBlock
    width =
      size == 1 ? (channels + block - 1) / block * block : kernels.pointee.vector_width
  }

  /// Channels of bytes that are together at least.
  static var byteBlock: Int { Int(APUS_BYTE_BLOCK) }

  public var blocks: Int { (channels + width - 1) / width }
  /// Channels of the last block.
  var lastLanes: Int { channels - (blocks - 1) * width }
  /// Elements from one block to the next.
  public var blockStride: Int { positions * width }
  public var itemStride: Int { blocks * blockStride }
  public var count: Int { items * itemStride }
  public var byteCount: Int { count * size }

  /// Copies what is `share`'s of a plain tensor into channel blocks, or out of them.
  public func copy(
    _ x: UnsafeRawPointer, to y: UnsafeMutableRawPointer, intoBlocks: Bool,
    _ kernels: UnsafePointer<apus_kernels>, _ share: Share
  ) {
    if size == 1 {
      copyBytes(
        x.assumingMemoryBound(to: UInt8.self), to: y.assumingMemoryBound(to: UInt8.self),
        intoBlocks: intoBlocks, share)
      return
    }
    let x = x.assumingMemoryBound(to: Float.self)
    let y = y.assumingMemoryBound(to: Float.self)
    forEach(share) { (item, block, first, count) in
      let channel = block * width
      let plain = (item * channels + channel) * positions + first
      let blocked = (item * blocks + block) * blockStride + first * width
      let lanes = min(width, channels - channel)
      if intoBlocks {
        kernels.pointee.block_channels(x + plain, positions, lanes, count, y + blocked)
      } else {
        kernels.pointee.unblock_channels(x + blocked, lanes, count, y + plain, positions)
      }
    }
  }

  /// Squares of 8 channels of 8 positions are transposed in registers.
  private func copyBytes(
    _ x: UnsafePointer<UInt8>, to y: UnsafeMutablePointer<UInt8>, intoBlocks: Bool, _ share: Share
  ) {
    forEach(share) { (item, _, first, count) in
      var start = first
      while start < first + count {
        let end = min(first + count, start + 8)
        var channel = 0
        while channel < channels {
          // Rows of what is read are columns of what is written.
          let plain = (item * channels + channel) * positions + start
          let last = (item * positions + start) * width + channel
          let (from, to) = intoBlocks ? (x + plain, y + last) : (x + last, y + plain)
          let (fromRow, toRow) = intoBlocks ? (positions, width) : (width, positions)
          let (c, p) = (min(8, channels - channel), end - start)
          if c == 8 && p == 8 {
            transpose(from, fromRow, to, toRow)
          } else {
            for i in 0..<(intoBlocks ? c : p) {
              for k in 0..<(intoBlocks ? p : c) { to[k * toRow + i] = from[i * fromRow + k] ^ flip }
            }
          }
          channel += 8
        }
        start = end
      }
    }
  }

  /// Exchanges rows and columns of 8 x 8 bytes.
  @inline(never)
  private func transpose(
    _ x: UnsafePointer<UInt8>, _ xRow: Int, _ y: UnsafeMutablePointer<UInt8>, _ yRow: Int
  ) {
    var square = InlineArray<8, UInt64> { i in
      UnsafeRawPointer(x + i * xRow).loadUnaligned(as: UInt64.self)
    }
    func exchange(_ distance: Int, _ bits: UInt64, _ mask: UInt64) {
      for i in 0..<8 where i & distance == 0 {
        let t = (square[i] >> bits ^ square[i + distance]) & mask
        square[i + distance] ^= t
        square[i] ^= t << bits
      }
    }
    exchange(4, 32, 0x0000_0000_FFFF_FFFF)
    exchange(2, 16, 0x0000_FFFF_0000_FFFF)
    exchange(1, 8, 0x00FF_00FF_00FF_00FF)
    let flips = UInt64(flip) &* 0x0101_0101_0101_0101
    for i in 0..<8 {
      UnsafeMutableRawPointer(y + i * yRow).storeBytes(of: square[i] ^ flips, as: UInt64.self)
    }
  }

  /// Calls `body` with (item, block, first position, positions) for all that `share` covers, which is
  /// the same positions of all blocks.
  func forEach(_ share: Share, _ body: (Int, Int, Int, Int) -> Void) {
    if positions == 0 { return }
    let part = share.part(ofRows: items * (positions / rowLength), of: rowLength)
    var i = part.lowerBound
    while i < part.upperBound {
      let item = i / positions
      let first = i - item * positions
      let count = min(positions - first, part.upperBound - i)
      for block in 0..<blocks { body(item, block, first, count) }
      i += count
    }
  }
}

/// An input or output of a node that gets memory in channel blocks.
public struct NewBlockedTensor {
  public enum Role {
    /// To be copied from the plain tensor before the node's steps.
    case input(Int)
    case output(Int)
  }

  public let role: Role
  public let slot: Int
  public let blocks: ChannelBlocks
}

/// Copies a tensor into channel blocks, or out of them.
public final class ChannelBlocksStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let blocks: ChannelBlocks
  private let from: Slot
  private let to: Slot
  private let intoBlocks: Bool

  public init(
    _ kernels: UnsafePointer<apus_kernels>, _ blocks: ChannelBlocks, from: Slot, to: Slot,
    intoBlocks: Bool, threads: Int
  ) {
    self.kernels = kernels
    self.blocks = blocks
    self.from = from
    self.to = to
    self.intoBlocks = intoBlocks
    super.init()
    shareWork(blocks.count, among: threads)
  }

  public override func run(_ memory: Memory, _ share: Share) {
    blocks.copy(memory[from], to: memory[to], intoBlocks: intoBlocks, kernels, share)
  }
}
