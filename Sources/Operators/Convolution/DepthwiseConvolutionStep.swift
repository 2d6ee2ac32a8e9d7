import CKernels
import ModelFormat

/// Convolution with one input channel a group: each output channel is a window over one plane.
final class DepthwiseConvolutionStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let window: apus_window
  private let split: PlaneSplit
  private let outputChannels: Int
  private let multiplier: Int
  private let inputCount: Int
  private let outputCount: Int
  private let kernelCount: Int
  private let activation: Activation
  private let x: Slot
  private let weights: Slot
  private let bias: Slot?
  private let y: Slot

  /// - Parameter multiplier: output channels for each input channel.
  init(
    _ kernels: UnsafePointer<apus_kernels>, _ geometry: SpatialGeometry, batch: Int, channels: Int,
    multiplier: Int, _ activation: Activation, x: Slot, weights: Slot, bias: Slot?, y: Slot
  ) {
    self.kernels = kernels
    window = geometry.window
    outputChannels = channels * multiplier
    split = PlaneSplit(
      planes: batch * channels * multiplier, rows: geometry.output[0] * geometry.output[1])
    self.multiplier = multiplier
    inputCount = geometry.inputCount
    outputCount = geometry.outputCount
    kernelCount = geometry.kernelCount
    self.activation = activation
    self.x = x
    self.weights = weights
    self.bias = bias
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    var window = window
    split.forEach(share) { (plane, firstRow, endRow) in
      let channel = plane % outputChannels
      let start = bias.map { memory.floats($0)[channel] } ?? 0
      kernels.pointee.depthwise_convolution(
        &window, memory.floats(x) + plane / multiplier * inputCount,
        memory.floats(weights) + channel * kernelCount, start, activation.minimum,
        activation.maximum, memory.mutableFloats(y) + plane * outputCount, firstRow, endRow)
    }
  }
}
