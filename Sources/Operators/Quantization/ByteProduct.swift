import CKernels
import ModelFormat

/// QLinearMul of two tensors with channels last: alike in shape, or the second with a single position,
/// whose channels go with all of the first's (a gate of squeeze and excitation). Four lanes on every
/// machine: it takes little beside the layers around it.
private final class ByteProductStep: Step {
  private let a: Slot
  private let b: Slot
  private let y: Slot
  private let blocks: ChannelBlocks
  /// Bytes of b from one position to the next, and from one item to the next.
  private let step: Int
  private let itemStep: Int
  // y = round((a − aZero) · (b − bZero) · ratio + fixed), as the model's numbers.
  private let aZero: Int32
  private let bZero: Int32
  private let ratio: Float
  private let fixed: Float

  init(
    _ a: Slot, _ b: Slot, _ y: Slot, _ blocks: ChannelBlocks, step: Int, itemStep: Int,
    _ f: QLinearBinary, swapped: Bool
  ) {
    self.a = a
    self.b = b
    self.y = y
    self.blocks = blocks
    self.step = step
    self.itemStep = itemStep
    aZero = Int32(swapped ? f.bZero : f.aZero) + Int32(blocks.flip)
    bZero = Int32(swapped ? f.aZero : f.bZero) + Int32(blocks.flip)
    ratio = f.aRatio
    fixed = f.fixed
  }

  override func run(_ memory: Memory, _ share: Share) {
    let width = blocks.width
    for position in share.part(of: blocks.items &* blocks.positions) {
      let item = position / blocks.positions
      let first = position &* width
      let a = UnsafeRawPointer(memory[a] + first)
      let place: Int = item &* itemStep &+ (position &- item &* blocks.positions) &* step
      let b = UnsafeRawPointer(memory[b] + place)
      let y = memory[y] + first
      var i = 0
      while i < width {
        let u = b.loadUnaligned(fromByteOffset: i, as: SIMD4<Int32>.self)
        let bytes = products(a.loadUnaligned(fromByteOffset: i, as: SIMD4<Int32>.self), u)
        (y + i).storeBytes(of: bytes, as: SIMD4<Int32>.self)
        i &+= ChannelBlocks.byteBlock
      }
    }
  }

  /// Of 16 bytes each.
  @inline(__always)
  private func products(_ a: SIMD4<Int32>, _ b: SIMD4<Int32>) -> SIMD4<Int32> {
    let none = SIMD4<Int32>()
    let (aLow, aHigh) = (apus_low_bytes_i32x4(a, none), apus_high_bytes_i32x4(a, none))
    let (bLow, bHigh) = (apus_low_bytes_i32x4(b, none), apus_high_bytes_i32x4(b, none))
    return apus_round_bytes_f32x4(
      product(apus_low_pairs_i32x4(aLow, none), apus_low_pairs_i32x4(bLow, none)),
      product(apus_high_pairs_i32x4(aLow, none), apus_high_pairs_i32x4(bLow, none)),
      product(apus_low_pairs_i32x4(aHigh, none), apus_low_pairs_i32x4(bHigh, none)),
      product(apus_high_pairs_i32x4(aHigh, none), apus_high_pairs_i32x4(bHigh, none)),
      Int16(blocks.flip))
  }

  @inline(__always)
  private func product(_ a: SIMD4<Int32>, _ b: SIMD4<Int32>) -> SIMD4<Float> {
    var product: SIMD4<Float> = apus_real_i32x4(a &- aZero)
    product *= apus_real_i32x4(b &- bZero)
    product *= ratio
    product += fixed
    return product
  }
}

extension PlanContext {
  /// Plans a QLinearMul of which the larger operand lies with channels last.
  func planByteProduct() -> Bool {
    let shape = node.outputs[0].shape
    // The one that is like the result comes first.
    let swapped = !(node.input(0).shape == shape)
    let (i, k) = swapped ? (3, 0) : (0, 3)
    let other = node.input(k).shape
    let isGate = !(other == shape)
    guard mayUseBlocks, node.input(i).shape == shape, hasChannelsLast(i), other.rank == shape.rank,
      let a = node.byteScale(1), let b = node.byteScale(4), let y = node.byteScale(6)
    else { return false }
    if isGate {
      let items = other[0]
      guard other[1] == shape[1], other.count == items * shape[1], items == shape[0] || items == 1
      else { return false }
    }
    let f = QLinearBinary(isProduct: true, a, b, y)
    // So that nothing reaches 2^31.
    guard f.aRatio < 0x1p14 else { return false }
    let blocks = ChannelBlocks(shape, kernels, node.outputs[0].dataType)
    let width = blocks.width
    allowInPlace(input: i, output: 0)
    emit(
      ByteProductStep(
        blockedInput(i), blockedInput(k), blockedOutput(0), blocks, step: isGate ? 0 : width,
        itemStep: isGate ? (other[0] == 1 ? 0 : width) : blocks.itemStride, f, swapped: swapped),
      work: blocks.count)
    return true
  }
}
