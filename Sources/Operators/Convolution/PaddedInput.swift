import CKernels
import ModelFormat

// A convolution in the plain layout whose windows move by single elements reads its input in place,
// but for padding. Where the input is a small part of the layer, it gets a copy with its padding
// instead of one in the order of each tile's windows.

/// Copies planes with their padding.
private final class PadPlanesStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let band: apus_blocked_band
  private let x: Slot
  private let y: Slot

  init(_ kernels: UnsafePointer<apus_kernels>, _ band: apus_blocked_band, x: Slot, y: Slot) {
    self.kernels = kernels
    self.band = band
    self.x = x
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    let part = share.part(of: band.planes)
    var band = band
    band.planes = part.count
    kernels.pointee.blocked_band(
      &band, memory.floats(x) + part.lowerBound * band.x_plane,
      memory.mutableFloats(y) + part.lowerBound * band.out_plane)
  }
}

extension SpatialGeometry {
  /// The same windows over an input that holds its padding.
  var padded: SpatialGeometry {
    var padded = self
    padded.input = [input[0], span(1), span(2)]
    padded.padBegin = [0, 0, 0]
    padded.padEnd = [0, 0, 0]
    return padded
  }
}

extension PlanContext {
  /// Whether a copy with padding lets a convolution read its input in place, and is small beside what
  /// the layer works on. The batch does not count.
  func padsInput(_ geometry: SpatialGeometry, group: Int) -> Bool {
    guard geometry.isPlanar, geometry.movesByOne, !geometry.staysInside else { return false }
    // In floating point: a file may state any numbers.
    let bytes =
      4 * Double(node.input(0).shape[1]) * Double(geometry.span(1)) * Double(geometry.span(2))
    let layer = ConvolutionLayer.byteCount(
      geometry, input: ChannelBlocks(node.input(0).shape, kernels),
      output: ChannelBlocks(node.outputs[0].shape, kernels))
    return bytes <= Double(layer / 4)
      && ConvolutionPass.mayReadInPlace(
        geometry.padded, channels: node.input(1).shape[1],
        columnsOfTile: kernels.pointee.gemm_columns)
  }

  /// Emits the step that copies input 0 with its padding; the copy.
  func padInput(_ geometry: SpatialGeometry) -> Slot {
    let x = node.input(0).shape
    let plane = geometry.span(1) * geometry.span(2)
    let band = apus_blocked_band(
      planes: x[0] * x[1], lanes: 1, input_height: geometry.input[1],
      input_width: geometry.input[2], x_plane: geometry.inputCount, out_plane: plane,
      first_row: -geometry.padBegin[1], rows: geometry.span(1),
      first_column: -geometry.padBegin[2], columns: geometry.span(2))
    let copy = scratch(byteCount: 4 * band.planes * plane)
    emit(PadPlanesStep(kernels, band, x: input(0), y: copy), work: band.planes * plane)
    return copy
  }
}
