import CKernels
import ModelFormat

/// y[n, c, …] = (x[n, c, …] − mean[c]) · scale[c] / √(var[c] + epsilon) + B[c]
///
/// Inputs X [N, C, D1 … Dr], scale, B, input_mean, input_var [C]. ONNX BatchNormalization in its
/// inference form, float32.
let batchNormalizationOperator = Operator(
  opcode: 16, name: "BatchNormalization",
  attributes: [
    AttributeSpec("epsilon", .float), AttributeSpec("momentum", .float),
    AttributeSpec("training_mode", .int),
  ],
  inputs: 5...5,
  notes: "Inference only: training_mode 1 is refused.",
  infer: { (context) throws(ApusError) in
    try context.requireFloat32()
    try context.requireRank(0, 2...Shape.maximumRank)
    try context.require(
      context.int("training_mode", default: 0) == 0, .unsupported, "training_mode must be 0")
    let x = context.input(0).shape
    for i in 1..<5 { try context.requireShape(i, Shape(x[1])) }
    try context.setOutput(.float32, x)
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0).shape
    if x.count == 0 { return }
    context.allowInPlace(input: 0, output: 0)
    context.emit(
      BatchNormalizationStep(
        context.kernels, x, epsilon: context.node.float("epsilon", default: 1e-5),
        x: context.input(0), scale: context.input(1), bias: context.input(2),
        mean: context.input(3), variance: context.input(4), y: context.output(0)),
      work: x.count)
  })

private final class BatchNormalizationStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let channels: Int
  private let planes: Int
  private let count: Int
  private let epsilon: Float
  private let x: Slot
  private let scale: Slot
  private let bias: Slot
  private let mean: Slot
  private let variance: Slot
  private let y: Slot

  init(
    _ kernels: UnsafePointer<apus_kernels>, _ shape: Shape, epsilon: Float, x: Slot, scale: Slot,
    bias: Slot, mean: Slot, variance: Slot, y: Slot
  ) {
    self.kernels = kernels
    channels = shape[1]
    planes = shape[0] * shape[1]
    count = shape.product(2, shape.rank)
    self.epsilon = epsilon
    self.x = x
    self.scale = scale
    self.bias = bias
    self.mean = mean
    self.variance = variance
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    let part = share.part(of: planes)
    var plane = part.lowerBound
    while plane < part.upperBound {
      let channel = plane % channels
      let factor =
        memory.floats(scale)[channel] / (memory.floats(variance)[channel] + epsilon).squareRoot()
      kernels.pointee.normalize(
        memory.floats(x) + plane * count, memory.mutableFloats(y) + plane * count, count,
        memory.floats(mean)[channel], factor, nil, memory.floats(bias) + channel, 0)
      plane += 1
    }
  }
}
