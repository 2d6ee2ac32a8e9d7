import CKernels
import ModelFormat

/// x [N, C, …]: each channel of each sample is brought to mean 0 and variance 1, then scaled by
/// scale[C] and moved by bias[C]. ONNX InstanceNormalization, float32; Ulyanov et al. 2016.
let instanceNormalizationOperator = Operator(
  opcode: 93, name: "InstanceNormalization", attributes: [AttributeSpec("epsilon", .float)],
  inputs: 3...3,
  infer: { (context) throws(ApusError) in
    try context.inferChannelNormalization(minimumRank: 3)
  },
  plan: { (context) throws(ApusError) in
    context.planChannelNormalization(groups: context.node.input(0).shape[1])
  })

/// As above, with the statistics of `num_groups` groups of neighbouring channels. ONNX
/// GroupNormalization as of opset 21 (scale and bias per channel), float32; Wu and He 2018.
let groupNormalizationOperator = Operator(
  opcode: 94, name: "GroupNormalization",
  attributes: [
    AttributeSpec("num_groups", .int), AttributeSpec("epsilon", .float),
    AttributeSpec("stash_type", .int),
  ],
  inputs: 3...3,
  infer: { (context) throws(ApusError) in
    try context.inferChannelNormalization(minimumRank: 2)
    let channels = context.input(0).shape[1]
    let groups = context.int("num_groups", default: 0)
    try context.require(
      groups > 0 && channels % groups == 0, .invalidModel,
      "num_groups is \(groups), which must divide the \(channels) channels")
  },
  plan: { (context) throws(ApusError) in
    context.planChannelNormalization(groups: context.node.int("num_groups", default: 1))
  })

extension NodeContext {
  fileprivate func inferChannelNormalization(minimumRank: Int) throws(ApusError) {
    try requireFloat32()
    try requireRank(0, minimumRank...8)
    let x = input(0).shape
    for i in 1...2 { try requireShape(i, Shape(x[1])) }
    try setOutput(.float32, x)
  }
}

extension PlanContext {
  fileprivate func planChannelNormalization(groups: Int) {
    allowInPlace(input: 0, output: 0)
    let x = node.input(0).shape
    if x.count == 0 { return }
    emit(ChannelNormalizationStep(self, x, groups), work: x.count * 4)
  }
}

private final class ChannelNormalizationStep: Step {
  let kernels: UnsafePointer<apus_kernels>
  /// Groups of all samples, channels of a group, elements of a channel.
  let blocks: Int
  let channels: Int
  let length: Int
  let groups: Int
  let epsilon: Float
  let x: Slot
  let scale: Slot
  let bias: Slot
  let y: Slot

  init(_ context: PlanContext, _ shape: Shape, _ groups: Int) {
    kernels = context.kernels
    blocks = shape[0] * groups
    channels = shape[1] / groups
    length = shape.product(2, shape.rank)
    self.groups = groups
    epsilon = context.node.float("epsilon", default: 1e-5)
    x = context.input(0)
    scale = context.input(1)
    bias = context.input(2)
    y = context.output(0)
  }

  override func run(_ memory: Memory, _ share: Share) {
    for block in share.part(of: blocks) {
      let offset = block &* channels &* length
      let x = memory.floats(x) + offset
      let y = memory.mutableFloats(y) + offset
      var mean: Float = 0
      var variance: Float = 0
      kernels.pointee.moments(x, channels &* length, &mean, &variance)
      let factor = 1 / (variance + epsilon).squareRoot()
      let first = block % groups &* channels
      let scale = memory.floats(scale) + first
      let bias = memory.floats(bias) + first
      var c = 0
      while c < channels {
        kernels.pointee.normalize(
          x + c &* length, y + c &* length, length, mean, factor, scale + c, bias + c, 0)
        c &+= 1
      }
    }
  }
}
