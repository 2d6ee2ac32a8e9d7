import CKernels
import ModelFormat

/// y[n, c, …] = (x[n, c, …] − mean[c]) · scale[c] / √(var[c] + epsilon) + B[c]
///
/// Inputs X [N, C, D1 … Dr], scale, B, input_mean, input_var [C]. With training_mode 1 mean and var are
/// those of X itself, and two more outputs [C] hold momentum · input_mean + (1 − momentum) · mean, and
/// the same of the variances. ONNX BatchNormalization, float32.
public let batchNormalizationOperator = Operator(
  opcode: 16, name: "BatchNormalization",
  attributes: [
    AttributeSpec("epsilon", .float), AttributeSpec("momentum", .float),
    AttributeSpec("training_mode", .int),
  ],
  inputs: 5...5, outputs: 1...3,
  infer: { (context) throws(ApusError) in
    try context.requireFloat32()
    try context.requireRank(0, 2...Shape.maximumRank)
    let trains = context.int("training_mode", default: 0) != 0
    try context.require(
      trains || context.outputCount == 1, .invalidModel,
      "outputs beside y are computed with training_mode 1 alone")
    let x = context.input(0).shape
    for i in 1..<5 { try context.requireShape(i, Shape(x[1])) }
    try context.require(!trains || x.count > 0, "\(x) has no mean and variance")
    try context.setOutput(.float32, x)
    for _ in 1..<max(1, context.outputCount) { try context.setOutput(.float32, Shape(x[1])) }
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0).shape
    if x.count == 0 { return }
    if context.planBlockedNormalization() { return }
    context.allowInPlace(input: 0, output: 0)
    var (mean, variance) = (context.input(3), context.input(4))
    if context.node.int("training_mode", default: 0) != 0 {
      let step = BatchStatisticsStep(context, x)
      context.emit(step, work: x.count)
      (mean, variance) = (step.mean, step.variance)
    }
    context.emit(
      BatchNormalizationStep(
        context.kernels, x, epsilon: context.node.float("epsilon", default: 1e-5),
        x: context.input(0), scale: context.input(1), bias: context.input(2), mean: mean,
        variance: variance, y: context.output(0)),
      work: x.count)
  })

extension PlanContext {
  /// In channel blocks, with known statistics: a depthwise convolution of one tap.
  fileprivate func planBlockedNormalization() -> Bool {
    guard isBlocked(0), node.int("training_mode", default: 0) == 0,
      let scale = node.input(1).constant, let bias = node.input(2).constant,
      let mean = node.input(3).constant, let variance = node.input(4).constant
    else { return false }
    let blocks = ChannelBlocks(node.input(0).shape, kernels)
    let epsilon = node.float("epsilon", default: 1e-5)
    let count = blocks.blocks * blocks.width
    func number(_ p: UnsafeRawPointer, _ i: Int) -> Float {
      p.assumingMemoryBound(to: Float.self)[i]
    }
    /// Of a channel; 0 in the lanes beyond.
    func factor(_ i: Int) -> Float {
      i < blocks.channels ? number(scale, i) / (number(variance, i) + epsilon).squareRoot() : 0
    }
    let factors = packedWeights(tag: 0, byteCount: 4 * count) { target in
      let target = target.assumingMemoryBound(to: Float.self)
      for i in 0..<count { target[i] = factor(i) }
    }
    let shifts = packedWeights(tag: 1, byteCount: 4 * count) { target in
      let target = target.assumingMemoryBound(to: Float.self)
      for i in 0..<count {
        target[i] = i < blocks.channels ? number(bias, i) - number(mean, i) * factor(i) : 0
      }
    }
    // Threads divide rows.
    let rows = threads > 1 && blocks.positions > 0 ? blocks.positions / blocks.rowLength : 1
    let width = blocks.positions / rows
    let window = apus_window(
      input_depth: 1, input_height: rows, input_width: width, output_depth: 1,
      output_height: rows, output_width: width, kernel_depth: 1, kernel_height: 1,
      kernel_width: 1, stride_z: 1, stride_y: 1, stride_x: 1, dilation_z: 1, dilation_y: 1,
      dilation_x: 1, pad_z: 0, pad_y: 0, pad_x: 0, pad_end_z: 0, pad_end_y: 0, pad_end_x: 0)
    emit(
      BlockedDepthwiseStep(
        kernels, window, input: blocks, output: blocks, Activation(self), x: blockedInput(0),
        weights: factors, bias: shifts, y: blockedOutput(0)),
      work: blocks.count)
    takesEpilogue = epilogue != nil
    return true
  }
}

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

/// Mean and variance of each channel of X, and what becomes of the running ones.
private final class BatchStatisticsStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let shape: Shape
  private let momentum: Float
  private let x: Slot
  private let running: (mean: Slot, variance: Slot)
  private let updated: (mean: Slot?, variance: Slot?)
  let mean: Slot
  let variance: Slot

  init(_ context: PlanContext, _ shape: Shape) {
    kernels = context.kernels
    self.shape = shape
    momentum = context.node.float("momentum", default: 0.9)
    x = context.input(0)
    running = (context.input(3), context.input(4))
    updated = (context.optionalOutput(1), context.optionalOutput(2))
    mean = context.scratch(byteCount: shape[1] * 4)
    variance = context.scratch(byteCount: shape[1] * 4)
  }

  override func run(_ memory: Memory, _ share: Share) {
    let (batch, channels) = (shape[0], shape[1])
    let count = shape.product(2, shape.rank)
    for channel in share.part(of: channels) {
      // From the moments of each plane: the variance of the means adds to the mean of the variances.
      var (sum, squares, inner) = (0.0, 0.0, 0.0)
      for n in 0..<batch {
        var (m, v): (Float, Float) = (0, 0)
        kernels.pointee.moments(
          memory.floats(x) + (n * channels + channel) * count, count, &m, &v)
        sum += Double(m)
        squares += Double(m) * Double(m)
        inner += Double(v)
      }
      let m = sum / Double(batch)
      let v = max(0, inner / Double(batch) + squares / Double(batch) - m * m)
      memory.mutableFloats(mean)[channel] = Float(m)
      memory.mutableFloats(variance)[channel] = Float(v)
      update(memory, updated.mean, running.mean, channel, Float(m))
      update(memory, updated.variance, running.variance, channel, Float(v))
    }
  }

  private func update(
    _ memory: Memory, _ output: Slot?, _ running: Slot, _ channel: Int, _ value: Float
  ) {
    guard let output else { return }
    memory.mutableFloats(output)[channel] =
      memory.floats(running)[channel] * momentum + value * (1 - momentum)
  }
}
