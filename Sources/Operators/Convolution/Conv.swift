import CKernels
import ModelFormat

/// y[n, m, o] = clip(b[m] + Σ over channel c of m's group and kernel position k:
///                   w[m, c, k] · x[n, c, o · stride + k · dilation − pad])
///
/// Inputs X [N, C, D1 … Dr], W [M, C/group, k1 … kr], B [M] (optional), 1 ≤ r ≤ 3. ONNX Conv,
/// float32. The clip is ours: a ReLU or Clip that follows the convolution in the graph may be fused
/// into it.
public let convOperator = Operator(
  opcode: 10, name: "Conv",
  attributes: [
    AttributeSpec("auto_pad", .string), AttributeSpec("dilations", .ints),
    AttributeSpec("group", .int), AttributeSpec("kernel_shape", .ints),
    AttributeSpec("pads", .ints), AttributeSpec("strides", .ints),
    AttributeSpec("activation_minimum", .float), AttributeSpec("activation_maximum", .float),
  ],
  inputs: 2...3,
  notes: "1 to 3 spatial axes. activation_minimum and activation_maximum clip the result.",
  infer: { (context) throws(ApusError) in
    try context.requireFloat32()
    let geometry = try convGeometry(context)
    try context.setOutput(
      .float32,
      geometry.outputShape(
        batch: context.input(0).shape[0], channels: context.input(1).shape[0]))
  },
  plan: { (context) throws(ApusError) in
    let node = context.node
    let geometry = try convGeometry(node)
    let x = node.input(0).shape
    let weights = node.input(1).shape
    let group = node.int("group", default: 1)
    if node.outputs[0].shape.count == 0 { return }
    let work = PlanContext.work(multiplyAccumulates: convMultiplyAccumulates(node))
    let activation = Activation(node)
    if context.planBlockedConvolution(geometry, group: group, work: work) { return }
    if weights[1] == 1 && weights[0] / group <= 2 {
      context.emit(
        DepthwiseConvolutionStep(
          context.kernels, geometry, batch: x[0], channels: x[1], multiplier: weights[0] / group,
          activation, x: context.input(0), weights: context.input(1),
          bias: context.optionalInput(2), y: context.output(0)),
        work: work)
      return
    }
    let isPadded = context.padsInput(geometry, group: group)
    let slid = isPadded ? geometry.padded : geometry
    let pass = ConvolutionPass.convolution(
      context.kernels, slid, channels: weights[1], rows: weights[0] / group, activation)
    let packed = context.packedConvolution(
      [pass], groups: group, weightsGroupStride: pass.rows * weights[1] * geometry.kernelCount,
      rowStride: weights[1] * geometry.kernelCount, channelStride: geometry.kernelCount)
    context.emit(
      ConvolutionStep(
        context.kernels, [pass], batch: x[0], groups: group, channels: weights[1],
        inputCount: slid.inputCount, outputCount: geometry.outputCount,
        threads: context.threads, x: isPadded ? context.padInput(geometry) : context.input(0),
        packed: packed,
        bias: context.optionalInput(2), y: context.output(0)),
      work: work)
  },
  multiplyAccumulates: convMultiplyAccumulates)

/// - Parameters:
///   - weights: the input that W is.
///   - bias: the input that B is.
func convGeometry(
  _ context: NodeContext, weights w: Int = 1, bias: Int = 2
) throws(ApusError) -> SpatialGeometry {
  let x = context.input(0).shape
  let weights = context.input(w).shape
  try context.requireRank(0, 3...5)
  try context.require(
    weights.rank == x.rank, "the weights are \(weights), the input is \(x): their ranks differ")
  var geometry = try SpatialGeometry(context, kernel: weights)
  let group = context.int("group", default: 1)
  try context.require(group >= 1, .invalidModel, "group is \(group)")
  try context.require(
    x[1] % group == 0 && x[1] / group == weights[1] && weights[0] % group == 0,
    "\(x[1]) channels in \(group) groups do not fit weights of \(weights)")
  try context.requireShape(bias, Shape(weights[0]))
  try geometry.slide(context)
  return geometry
}

private func convMultiplyAccumulates(_ node: NodeContext) -> Int {
  convMultiplyAccumulates(node, weights: 1)
}

func convMultiplyAccumulates(_ node: NodeContext, weights: Int) -> Int {
  let shape = node.input(weights).shape
  return node.outputs[0].shape.count * shape.product(1, shape.rank)
}

/// The fused activation of a node: its result is clipped to minimum ... maximum.
struct Activation {
  let minimum: Float
  let maximum: Float

  init(_ node: NodeContext) {
    minimum = node.float("activation_minimum", default: -Float.infinity)
    maximum = node.float("activation_maximum", default: Float.infinity)
  }

  /// That of the node's epilogue, if it has one.
  init(_ context: PlanContext) {
    let own = Activation(context.node)
    minimum = context.epilogue?.minimum ?? own.minimum
    maximum = context.epilogue?.maximum ?? own.maximum
  }
}
