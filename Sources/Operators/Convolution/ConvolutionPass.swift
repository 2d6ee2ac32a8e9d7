import CKernels
import ModelFormat

/// One pass of the convolution kernel over a grid of outputs: all outputs of a convolution, or
/// those of a transposed convolution that share a position modulo the stride. Made when a session
/// is planned, and lives as long.
final class ConvolutionPass {
  private(set) var descriptor: apus_convolution
  /// Where the grid's first point lies in a plane of the output.
  let outputOffset: Int
  /// Of this pass's packed weights inside those of a group, in floats.
  var packedOffset = 0
  /// Index of each tap in the weights of one channel, for the packing.
  let kernelOffsets: UnsafeMutablePointer<Int32>

  private let tapOffsets: UnsafeMutablePointer<Int32>
  private var table: UnsafeMutablePointer<Int32>?

  var rows: Int { descriptor.rows }
  var depth: Int { descriptor.channels * descriptor.taps }

  /// - Parameters:
  ///   - descriptor: all but columns and tap_offsets.
  ///   - tap: sets the input position (z, y, x) of a tap at grid point 0 and returns the tap's
  ///     index in the weights.
  init(
    _ descriptor: apus_convolution, outputOffset: Int,
    tap: (Int, inout InlineArray<3, Int>) -> Int
  ) {
    self.descriptor = descriptor
    self.outputOffset = outputOffset
    let taps = descriptor.taps
    kernelOffsets = .allocate(capacity: max(1, taps))
    tapOffsets = .allocate(capacity: max(1, 3 * taps))
    for t in 0..<taps {
      var position = InlineArray<3, Int>(repeating: 0)
      kernelOffsets[t] = Int32(truncatingIfNeeded: tap(t, &position))
      for axis in 0..<3 { tapOffsets[3 * t + axis] = Int32(truncatingIfNeeded: position[axis]) }
    }
    self.descriptor.tap_offsets = UnsafePointer(tapOffsets)
    self.descriptor.columns = descriptor.grid_depth * descriptor.grid_height * descriptor.grid_width
  }

  deinit {
    kernelOffsets.deallocate()
    tapOffsets.deallocate()
    table?.deallocate()
  }

  /// The pass of a convolution. `channels` and `rows` are those of a group. Without kernels it is
  /// for integer_gather.
  static func convolution(
    _ kernels: UnsafePointer<apus_kernels>?, _ geometry: SpatialGeometry, channels: Int, rows: Int,
    _ activation: Activation
  ) -> ConvolutionPass {
    let g = geometry.foldedIfPointwise
    let descriptor = apus_convolution(
      channels: channels, input_depth: g.input[0], input_height: g.input[1],
      input_width: g.input[2], grid_depth: g.output[0], grid_height: g.output[1],
      grid_width: g.output[2], step_z: g.stride[0], step_y: g.stride[1], step_x: g.stride[2],
      taps: g.kernelCount, tap_offsets: nil, rows: rows, y_step_row: g.outputCount,
      y_step_z: g.output[1] * g.output[2], y_step_y: g.output[2], y_step_x: 1, columns: 0,
      table: nil, minimum: activation.minimum, maximum: activation.maximum)
    let pass = ConvolutionPass(descriptor, outputOffset: 0) { (tap, position) in
      position[2] = tap % g.kernel[2] * g.dilation[2] - g.padBegin[2]
      position[1] = tap / g.kernel[2] % g.kernel[1] * g.dilation[1] - g.padBegin[1]
      position[0] = tap / (g.kernel[2] * g.kernel[1]) * g.dilation[0] - g.padBegin[0]
      return tap
    }
    if let kernels,
      mayReadInPlace(g, channels: channels, columnsOfTile: kernels.pointee.gemm_columns)
    {
      pass.readInPlace()
    }
    return pass
  }

  /// Entries of the largest table worth its memory.
  private static var tableLimit: Int { 1 << 22 }

  /// Whether the kernel may read the input in place and it pays: between two rows of the grid it
  /// computes columns in vain.
  static func mayReadInPlace(
    _ geometry: SpatialGeometry, channels: Int, columnsOfTile: Int
  ) -> Bool {
    let g = geometry.foldedIfPointwise
    guard g.staysInside, g.movesByOne else { return false }
    let columns = columnsInPlace(g.input, g.output)
    return columns >= columnsOfTile && 2 * columns <= 3 * g.outputCount
      && g.inputCount <= Int(Int32.max) / max(1, channels)
      && channels * g.kernelCount <= tableLimit
  }

  /// Input elements from the first column's to the last one's.
  private static func columnsInPlace(
    _ input: InlineArray<3, Int>, _ output: InlineArray<3, Int>
  ) -> Int {
    ((output[0] - 1) * input[1] + output[1] - 1) * input[2] + output[2]
  }

  private func readInPlace() {
    let d = descriptor
    let plane = d.input_depth * d.input_height * d.input_width
    let offsets = UnsafeMutablePointer<Int32>.allocate(capacity: max(1, depth))
    var k = 0
    for channel in 0..<d.channels {
      for tap in 0..<d.taps {
        let z = Int(tapOffsets[3 * tap])
        let y = Int(tapOffsets[3 * tap + 1])
        let x = Int(tapOffsets[3 * tap + 2])
        offsets[k] = Int32(
          truncatingIfNeeded: channel * plane + (z * d.input_height + y) * d.input_width + x)
        k += 1
      }
    }
    table = offsets
    descriptor.table = UnsafePointer(offsets)
    descriptor.columns = ConvolutionPass.columnsInPlace(
      [d.input_depth, d.input_height, d.input_width], [d.grid_depth, d.grid_height, d.grid_width])
  }

  /// Tiles of the kernel, the unit that threads share.
  func tiles(_ kernels: UnsafePointer<apus_kernels>) -> Int {
    let width = kernels.pointee.gemm_columns
    return (descriptor.columns + width - 1) / width
  }
}

extension SpatialGeometry {
  /// Whether no window ever leaves the input.
  var staysInside: Bool {
    for axis in 0..<3 where padBegin[axis] != 0 || span(axis) > input[axis] { return false }
    return true
  }

  var movesByOne: Bool { stride[0] == 1 && stride[1] == 1 && stride[2] == 1 }

  /// Elements from the first window's first to the last window's last.
  func span(_ axis: Int) -> Int { (output[axis] - 1) * stride[axis] + extent(axis) }

  /// A 1 x 1 convolution does not look at rows: it may as well have a single one.
  var foldedIfPointwise: SpatialGeometry {
    guard kernelCount == 1, staysInside, inputCount == outputCount else { return self }
    var folded = self
    folded.input = [1, 1, inputCount]
    folded.output = folded.input
    folded.stride = [1, 1, 1]
    return folded
  }
}

extension PlanContext {
  /// Packs the weights of a convolution's passes, input 1 of the node: for each group the passes
  /// one after the other. Constant weights are packed once for the model, others by a step in each
  /// run.
  ///
  /// An element is w[group · weightsGroupStride + row · rowStride + channel · channelStride + tap].
  func packedConvolution(
    _ passes: [ConvolutionPass], groups: Int, weightsGroupStride: Int, rowStride: Int,
    channelStride: Int
  ) -> (slot: Slot, groupStride: Int) {
    var groupStride = 0
    for pass in passes {
      pass.packedOffset = groupStride
      groupStride += kernels.pointee.convolution_packed_count(pass.rows, pass.depth)
    }
    let packing = ConvolutionPacking(
      kernels, passes, groups: groups, weightsGroupStride: weightsGroupStride,
      rowStride: rowStride, channelStride: channelStride, groupStride: groupStride)
    let byteCount = max(4, groups * groupStride * 4)
    if let constant = node.input(1).constant {
      let source = constant.assumingMemoryBound(to: Float.self)
      return (packedWeights(byteCount: byteCount) { packing.pack(source, $0) }, groupStride)
    }
    let slot = scratch(byteCount: byteCount)
    emit(
      PackConvolutionStep(packing, weights: input(1), packed: slot), work: groups * groupStride)
    return (slot, groupStride)
  }
}

/// How to pack the weights of all groups and passes.
private final class ConvolutionPacking {
  let kernels: UnsafePointer<apus_kernels>
  let passes: [ConvolutionPass]
  let groups: Int
  let weightsGroupStride: Int
  let rowStride: Int
  let channelStride: Int
  let groupStride: Int

  init(
    _ kernels: UnsafePointer<apus_kernels>, _ passes: [ConvolutionPass], groups: Int,
    weightsGroupStride: Int, rowStride: Int, channelStride: Int, groupStride: Int
  ) {
    self.kernels = kernels
    self.passes = passes
    self.groups = groups
    self.weightsGroupStride = weightsGroupStride
    self.rowStride = rowStride
    self.channelStride = channelStride
    self.groupStride = groupStride
  }

  func pack(_ weights: UnsafePointer<Float>, _ packed: UnsafeMutableRawPointer) {
    pack(weights, packed, 0..<groups)
  }

  func pack(
    _ weights: UnsafePointer<Float>, _ packed: UnsafeMutableRawPointer, _ groups: Range<Int>
  ) {
    let out = packed.assumingMemoryBound(to: Float.self)
    for group in groups {
      for i in 0..<passes.count {
        let pass = passes[i]
        kernels.pointee.convolution_pack(
          weights + group * weightsGroupStride, pass.rows, rowStride, pass.descriptor.channels,
          channelStride, pass.descriptor.taps, pass.kernelOffsets,
          out + group * groupStride + pass.packedOffset)
      }
    }
  }
}

private final class PackConvolutionStep: Step {
  private let packing: ConvolutionPacking
  private let weights: Slot
  private let packed: Slot

  init(_ packing: ConvolutionPacking, weights: Slot, packed: Slot) {
    self.packing = packing
    self.weights = weights
    self.packed = packed
  }

  override func run(_ memory: Memory, _ share: Share) {
    packing.pack(memory.floats(weights), memory[packed], share.part(of: packing.groups))
  }
}
