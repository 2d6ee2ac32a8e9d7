import CKernels
import ModelFormat

/// A way to compute a convolution in channel blocks.
///
/// Threads divide it by its positions: each then reads little but what it has itself written in the
/// layer before. Only where weights are so many that they come from far, by output channels. On Zen 4
/// a core that writes a line of the cache anew which another has read since waits 27 ns for it, ten
/// times as long as for one that the other has written.
protocol BlockedLayer: AnyObject {
  /// Floats that a thread needs beside the tensors.
  var scratchCount: Int { get }

  /// What of the layer is `share`'s, in a measure of the layer's own.
  func part(of share: Share) -> Range<Int>

  /// Computes a part of the layer. `addend`: what is added to the result, laid out like it. `scratch`:
  /// `scratchCount` floats of the thread's own; nil for none.
  func run(
    _ part: Range<Int>, _ x: UnsafePointer<Float>, _ weights: UnsafePointer<Float>,
    _ bias: UnsafePointer<Float>?, _ addend: UnsafePointer<Float>?,
    _ y: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutablePointer<Float>?)
}

private final class BlockedLayerStep: Step {
  private let layer: any BlockedLayer
  private let x: Slot
  private let weights: Slot
  private let bias: Slot?
  private let addend: Slot?
  private let y: Slot
  private let scratch: Slot?

  init(
    _ layer: any BlockedLayer, x: Slot, weights: Slot, bias: Slot?, addend: Slot?, y: Slot,
    scratch: Slot?
  ) {
    self.layer = layer
    self.x = x
    self.weights = weights
    self.bias = bias
    self.addend = addend
    self.y = y
    self.scratch = scratch
  }

  override func run(_ memory: Memory, _ share: Share) {
    layer.run(
      layer.part(of: share), memory.floats(x), memory.floats(weights),
      bias.map { memory.floats($0) }, addend.map { memory.floats($0) }, memory.mutableFloats(y),
      scratch.map { memory.mutableFloats($0) + share.index * layer.scratchCount })
  }
}

extension PlanContext {
  /// Emits the step of a layer that writes output 0 in channel blocks; the bias is input 2. It
  /// computes the node's epilogue too, if there is one.
  func emit(
    _ layer: any BlockedLayer, x: Slot, weights: Slot, _ output: ChannelBlocks, work: Int
  ) {
    let scratchCount = layer.scratchCount
    takesEpilogue = epilogue != nil
    emit(
      BlockedLayerStep(
        layer, x: x, weights: weights, bias: blockedBias(output), addend: epilogue?.addend,
        y: blockedOutput(0),
        scratch: scratchCount > 0 ? scratch(byteCount: 4 * scratchCount * threads) : nil),
      work: work)
  }
}
