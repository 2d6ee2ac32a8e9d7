import CKernels
import CSystem
import ModelFormat

/// The largest of each window of bytes with channels last, read where they are.
private final class ByteMaxPoolStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let geometry: SpatialGeometry
  private let output: ChannelBlocks
  private let x: Slot
  private let y: Slot
  private let offsets: Slot
  /// Output columns whose windows have all taps of a row inside.
  private let interior: Range<Int>

  /// - Parameter offsets: room for `offsetsCount` numbers for each thread.
  init(
    _ kernels: UnsafePointer<apus_kernels>, _ geometry: SpatialGeometry, output: ChannelBlocks,
    x: Slot, y: Slot, offsets: Slot
  ) {
    self.kernels = kernels
    self.geometry = geometry
    self.output = output
    self.x = x
    self.y = y
    self.offsets = offsets
    let last = geometry.kernel[2] - 1
    var columns = 0..<geometry.output[2]
    while let i = columns.first, geometry.place(2, i, 0) < 0 { columns.removeFirst() }
    while let i = columns.last, geometry.place(2, i, last) >= geometry.input[2] {
      columns.removeLast()
    }
    interior = columns
  }

  /// Numbers for which a thread needs room.
  static func offsetsCount(_ geometry: SpatialGeometry) -> Int {
    (geometry.kernelCount + 3) / 4 * 4
  }

  override func run(_ memory: Memory, _ share: Share) {
    let g = geometry
    let offsets =
      memory[offsets].assumingMemoryBound(to: Int32.self)
      + share.index * ByteMaxPoolStep.offsetsCount(g)
    let x = memory[x].assumingMemoryBound(to: UInt8.self)
    let y = memory[y].assumingMemoryBound(to: UInt8.self)
    for next in share.part(of: output.items * g.output[0] * g.output[1]) {
      let slice = next / g.output[1]
      let item = slice / g.output[0]
      var column = 0
      while column < g.output[2] {
        let end = interior.contains(column) ? interior.upperBound : column + 1
        pool(
          [slice % g.output[0], next % g.output[1], column], end - column, offsets,
          x + item * g.inputCount * output.width,
          y + (next * g.output[2] + column) * output.width)
        column = end
      }
    }
  }

  /// Computes outputs from the place `first` on, whose windows have the same taps inside.
  private func pool(
    _ first: InlineArray<3, Int>, _ columns: Int, _ offsets: UnsafeMutablePointer<Int32>,
    _ x: UnsafePointer<UInt8>, _ y: UnsafeMutablePointer<UInt8>
  ) {
    let g = geometry
    let width = output.width
    var count = 0
    var begin = 0
    for kz in 0..<g.kernel[0] {
      let z = g.place(0, first[0], kz)
      if z < 0 || z >= g.input[0] { continue }
      for ky in 0..<g.kernel[1] {
        let row = g.place(1, first[1], ky)
        if row < 0 || row >= g.input[1] { continue }
        for kx in 0..<g.kernel[2] {
          let column = g.place(2, first[2], kx)
          if column < 0 || column >= g.input[2] { continue }
          let place = ((z * g.input[1] + row) * g.input[2] + column) * width
          if count == 0 { begin = place }
          offsets[count] = Int32(truncatingIfNeeded: place - begin)
          count += 1
        }
      }
    }
    if count == 0 {
      // Nothing is smaller.
      memset(y, 0, columns * width)
      return
    }
    while count % 4 != 0 {
      offsets[count] = 0
      count += 1
    }
    var windows = apus_byte_windows()
    windows.words = count / 4
    windows.tap_offsets = UnsafePointer(offsets)
    windows.rows = columns
    windows.length = width
    windows.x_row = g.stride[2] * width
    windows.y_row = width
    kernels.pointee.byte_max_pool(&windows, x + begin, y)
  }
}

extension SpatialGeometry {
  /// Where an output's window has a tap.
  fileprivate func place(_ axis: Int, _ output: Int, _ tap: Int) -> Int {
    output * stride[axis] - padBegin[axis] + tap * dilation[axis]
  }
}

extension PlanContext {
  /// Plans a MaxPool of bytes that lie with channels last, or have so many that it is worth a copy.
  func planByteMaxPool(_ geometry: SpatialGeometry) -> Bool {
    let width = node.input(0).shape[1] + ChannelBlocks.byteBlock
    guard mayUseBlocks, ByteBand.isPossible(geometry, width: width),
      node.input(0).dataType != .float32, !node.wantsOutput(1),
      hasChannelsLast(0) || node.input(0).shape[1] >= ChannelBlocks.byteBlock / 2
    else { return false }
    let output = ChannelBlocks(node.outputs[0].shape, kernels, node.outputs[0].dataType)
    let offsets = scratch(byteCount: ByteMaxPoolStep.offsetsCount(geometry) * 4 * threads)
    emit(
      ByteMaxPoolStep(
        kernels, geometry, output: output, x: blockedInput(0), y: blockedOutput(0),
        offsets: offsets), work: output.count * geometry.kernelCount / 16)
    return true
  }
}
