import CKernels
import ModelFormat

/// y[n, m, i · stride + k · dilation − pad] += w[c, m, k] · x[n, c, i] for all i, k and channels c
/// of m's group; y starts from b[m].
///
/// Inputs X [N, C, D1 … Dr], W [C, M/group, k1 … kr], B [M] (optional), 1 ≤ r ≤ 3. ONNX
/// ConvTranspose, float32.
///
/// Computed from the output's side: outputs at the same position modulo the stride see the same
/// taps, at input positions one apart, so each such set is an ordinary convolution of stride 1.
let convTransposeOperator = Operator(
  opcode: 11, name: "ConvTranspose",
  attributes: [
    AttributeSpec("auto_pad", .string), AttributeSpec("dilations", .ints),
    AttributeSpec("group", .int), AttributeSpec("kernel_shape", .ints),
    AttributeSpec("output_padding", .ints), AttributeSpec("output_shape", .ints),
    AttributeSpec("pads", .ints), AttributeSpec("strides", .ints),
    AttributeSpec("activation_minimum", .float), AttributeSpec("activation_maximum", .float),
  ],
  inputs: 2...3,
  notes: "1 to 3 spatial axes. activation_minimum and activation_maximum clip the result.",
  infer: { (context) throws(ApusError) in
    try context.requireFloat32()
    let geometry = try transposedGeometry(context)
    try context.setOutput(
      .float32,
      geometry.outputShape(
        batch: context.input(0).shape[0],
        channels: context.input(1).shape[1] * context.int("group", default: 1)))
  },
  plan: { (context) throws(ApusError) in
    let node = context.node
    let geometry = try transposedGeometry(node)
    let x = node.input(0).shape
    let weights = node.input(1).shape
    let group = node.int("group", default: 1)
    if node.outputs[0].shape.count == 0 { return }
    let activation = Activation(node)
    let passes = transposedPasses(
      geometry, channels: x[1] / group, rows: weights[1], activation)
    var covered = 0
    for pass in passes { covered += pass.descriptor.columns }
    if covered < geometry.outputCount {
      // Outputs that no tap reaches are what the bias says.
      context.emit(
        FillWithBiasStep(
          planes: x[0] * group * weights[1], channels: group * weights[1],
          count: geometry.outputCount, activation, bias: context.optionalInput(2),
          y: context.output(0)),
        work: node.outputs[0].shape.count)
    }
    let kernelCount = geometry.kernelCount
    let packed = context.packedConvolution(
      passes, groups: group, weightsGroupStride: x[1] / group * weights[1] * kernelCount,
      rowStride: kernelCount, channelStride: weights[1] * kernelCount)
    context.emit(
      ConvolutionStep(
        context.kernels, passes, batch: x[0], groups: group, channels: x[1] / group,
        inputCount: geometry.inputCount, outputCount: geometry.outputCount,
        threads: context.threads, x: context.input(0), packed: packed,
        bias: context.optionalInput(2), y: context.output(0)),
      multiplyAccumulates: transposedMultiplyAccumulates(node), elements: x.count)
  },
  multiplyAccumulates: transposedMultiplyAccumulates)

private func transposedGeometry(_ context: NodeContext) throws(ApusError) -> SpatialGeometry {
  let x = context.input(0).shape
  let weights = context.input(1).shape
  try context.requireRank(0, 3...5)
  try context.require(
    weights.rank == x.rank, "the weights are \(weights), the input is \(x): their ranks differ")
  var geometry = try SpatialGeometry(context, kernel: weights)
  let group = context.int("group", default: 1)
  try context.require(
    group >= 1 && group <= SpatialGeometry.limit, .invalidModel, "group is \(group)")
  try context.require(
    x[1] == weights[0] && x[1] % group == 0 && weights[1] <= SpatialGeometry.limit,
    "\(x[1]) channels in \(group) groups do not fit weights of \(weights)")
  try context.requireShape(2, Shape(weights[1] * group))
  try geometry.slideTransposed(context)
  return geometry
}

private func transposedMultiplyAccumulates(_ node: NodeContext) -> Int {
  node.input(0).shape.count * node.input(1).shape.product(1, node.input(1).shape.rank)
}

/// The outputs of one axis that share a position modulo the stride, and the taps that reach them.
private struct Residue {
  var first = 0
  var count = 0
  var taps: [Int] = []
}

/// The residues of an axis that any tap reaches: output o takes tap k where o + pad − k · dilation
/// is a multiple of the stride.
private func residues(_ g: SpatialGeometry, _ axis: Int) -> [Residue] {
  let stride = g.stride[axis]
  var found: [Residue] = []
  for k in 0..<g.kernel[axis] {
    let shifted = (k * g.dilation[axis] - g.padBegin[axis]) % stride
    let first = shifted < 0 ? shifted + stride : shifted
    if first >= g.output[axis] { continue }
    var i = 0
    while i < found.count && found[i].first != first { i += 1 }
    if i == found.count {
      found.append(Residue(first: first, count: (g.output[axis] - first + stride - 1) / stride))
    }
    found[i].taps.append(k)
  }
  return found
}

private func transposedPasses(
  _ g: SpatialGeometry, channels: Int, rows: Int, _ activation: Activation
) -> [ConvolutionPass] {
  var passes: [ConvolutionPass] = []
  let slices = residues(g, 0)
  let lines = residues(g, 1)
  let columns = residues(g, 2)
  let rowSize = g.output[2]
  let sliceSize = g.output[1] * rowSize
  for z in slices {
    for y in lines {
      for x in columns {
        let descriptor = apus_convolution(
          channels: channels, input_depth: g.input[0], input_height: g.input[1],
          input_width: g.input[2], grid_depth: z.count, grid_height: y.count, grid_width: x.count,
          step_z: 1, step_y: 1, step_x: 1, taps: z.taps.count * y.taps.count * x.taps.count,
          tap_offsets: nil, rows: rows, y_step_row: g.outputCount,
          y_step_z: g.stride[0] * sliceSize, y_step_y: g.stride[1] * rowSize,
          y_step_x: g.stride[2], columns: 0, table: nil, minimum: activation.minimum,
          maximum: activation.maximum)
        passes.append(
          ConvolutionPass(
            descriptor, outputOffset: z.first * sliceSize + y.first * rowSize + x.first
          ) { (tap, position) in
            let kx = x.taps[tap % x.taps.count]
            let ky = y.taps[tap / x.taps.count % y.taps.count]
            let kz = z.taps[tap / (x.taps.count * y.taps.count)]
            position[0] = (z.first + g.padBegin[0] - kz * g.dilation[0]) / g.stride[0]
            position[1] = (y.first + g.padBegin[1] - ky * g.dilation[1]) / g.stride[1]
            position[2] = (x.first + g.padBegin[2] - kx * g.dilation[2]) / g.stride[2]
            return (kz * g.kernel[1] + ky) * g.kernel[2] + kx
          })
      }
    }
  }
  return passes
}

/// y = clip(bias), for every element.
private final class FillWithBiasStep: Step {
  private let planes: Int
  private let channels: Int
  private let count: Int
  private let activation: Activation
  private let bias: Slot?
  private let y: Slot

  init(planes: Int, channels: Int, count: Int, _ activation: Activation, bias: Slot?, y: Slot) {
    self.planes = planes
    self.channels = channels
    self.count = count
    self.activation = activation
    self.bias = bias
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    let part = share.part(of: planes)
    var plane = part.lowerBound
    while plane < part.upperBound {
      var value = bias.map { memory.floats($0)[plane % channels] } ?? 0
      if value < activation.minimum { value = activation.minimum }
      if value > activation.maximum { value = activation.maximum }
      (memory.mutableFloats(y) + plane * count).update(repeating: value, count: count)
      plane += 1
    }
  }
}
