import CKernels
import CSystem
import ModelFormat

/// y[n, c, t] = b[c] + Σk w[c, 0, k] · z[n, c, t + k] with z = past_state ++ x along the last axis: a
/// depthwise convolution that looks back only. present_state is the last K − 1 elements of z, to be
/// the next call's past_state (zeros where it is left out). With activation silu (or swish), y is
/// multiplied by its own sigmoid.
///
/// Inputs: x [N, C, L], w [C, 1, K], b [C] and past_state [N, C, K − 1] (both optional). ONNX
/// CausalConvWithState, float32.
let causalConvWithStateOperator = Operator(
  opcode: 231, name: "CausalConvWithState", attributes: [AttributeSpec("activation", .string)],
  inputs: 2...4, outputs: 1...2,
  notes: "float32.",
  infer: { (context) throws(ApusError) in
    try context.requireFloat32()
    try context.requireRank(0, 3...3)
    try context.requireRank(1, 3...3)
    let x = context.input(0).shape
    let w = context.input(1).shape
    let taps = w[2]
    try context.require(
      w[0] == x[1] && w[1] == 1 && taps >= 1, "input 1 must be [\(x[1]), 1, K] and is \(w)")
    let state = Shape(x[0], x[1], taps - 1)
    try context.requireShape(2, Shape(x[1]))
    try context.requireShape(3, state)
    _ = try context.choice("activation", "none silu swish")
    try context.setOutput(.float32, x)
    if context.outputCount > 1 { try context.setOutput(.float32, state) }
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0).shape
    context.emit(
      CausalConvStep(
        context.kernels, x, taps: context.node.input(1).shape[2],
        isActivated: try context.node.choice("activation", "none silu swish") > 0,
        context.input(0), context.input(1), context.optionalInput(2), context.optionalInput(3),
        context.output(0), context.optionalOutput(1)),
      work: causalConvMultiplyAccumulates(context.node))
  },
  multiplyAccumulates: causalConvMultiplyAccumulates)

private func causalConvMultiplyAccumulates(_ node: NodeContext) -> Int {
  let product = node.input(0).shape.count.multipliedReportingOverflow(by: node.input(1).shape[2])
  return product.overflow ? Int.max : product.partialValue
}

private final class CausalConvStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let shape: Shape
  private let taps: Int
  private let isActivated: Bool
  private let x: Slot
  private let w: Slot
  private let bias: Slot?
  private let past: Slot?
  private let y: Slot
  private let present: Slot?

  init(
    _ kernels: UnsafePointer<apus_kernels>, _ shape: Shape, taps: Int, isActivated: Bool,
    _ x: Slot, _ w: Slot, _ bias: Slot?, _ past: Slot?, _ y: Slot, _ present: Slot?
  ) {
    self.kernels = kernels
    self.shape = shape
    self.taps = taps
    self.isActivated = isActivated
    self.x = x
    self.w = w
    self.bias = bias
    self.past = past
    self.y = y
    self.present = present
  }

  override func run(_ memory: Memory, _ share: Share) {
    let (channels, length, reach) = (shape[1], shape[2], taps - 1)
    for row in share.part(of: shape[0] * channels) {
      let channel = row % channels
      let x = memory.floats(x) + row * length
      let w = memory.floats(w) + channel * taps
      let y = memory.mutableFloats(y) + row * length
      let past = past.map { memory.floats($0) + row * reach }
      let start = bias.map { memory.floats($0)[channel] } ?? 0
      for t in 0..<length {
        var sum = start
        for k in 0..<taps {
          let i = t + k - reach
          sum += w[k] * (i >= 0 ? x[i] : past.map { $0[i + reach] } ?? 0)
        }
        y[t] = sum
      }
      if isActivated { kernels.pointee.unary(APUS_UNARY_SWISH, y, y, length, 1, 0) }
      if let present {
        let present = memory.mutableFloats(present) + row * reach
        for k in 0..<reach {
          let i = length + k - reach
          present[k] = i >= 0 ? x[i] : past.map { $0[i + reach] } ?? 0
        }
      }
    }
  }
}
