import ModelFormat

/// A convolution whose taps are moved: y[n, m, o] = b[m] + Σ w[m, c, k] · mask[n, g, k, o] · x[n, c, p],
/// p = o · stride + k · dilation − pad + offset[n, g, k, o], g the offset group of channel c. Between
/// elements x is interpolated bilinearly; outside it is zero.
///
/// Inputs: X [N, C, H, W], W [M, C/group, kH, kW], offset [N, G·kH·kW·2, oH, oW] (y, then x, for each
/// tap), B [M] and mask [N, G·kH·kW, oH, oW] (both optional). ONNX DeformConv, float32.
let deformConvOperator = Operator(
  opcode: 229, name: "DeformConv",
  attributes: [
    AttributeSpec("dilations", .ints), AttributeSpec("group", .int),
    AttributeSpec("kernel_shape", .ints), AttributeSpec("offset_group", .int),
    AttributeSpec("pads", .ints), AttributeSpec("strides", .ints),
  ],
  inputs: 3...5,
  notes: "2 spatial axes, float32.",
  infer: { (context) throws(ApusError) in
    let c = try DeformedConvolution(context)
    try context.setOutput(.float32, c.shape)
  },
  plan: { (context) throws(ApusError) in
    let c = try DeformedConvolution(context.node)
    if c.shape.count == 0 { return }
    context.emit(
      DeformConvStep(
        c, context.input(0), context.input(1), context.input(2), context.optionalInput(3),
        context.optionalInput(4), context.output(0),
        column: context.scratch(byteCount: c.columnCount * 4 * context.threads)),
      work: deformConvMultiplyAccumulates(context.node))
  },
  multiplyAccumulates: deformConvMultiplyAccumulates)

private func deformConvMultiplyAccumulates(_ node: NodeContext) -> Int {
  let w = node.input(1).shape
  let (product, overflow) = node.outputs[0].shape.count.multipliedReportingOverflow(
    by: w.product(1, 4))
  return overflow ? Int.max : product
}

private struct DeformedConvolution {
  let shape: Shape
  let channels: Int
  let groups: Int
  let offsetGroups: Int
  let geometry: SpatialGeometry

  /// Elements of X under the window, of all channels.
  var columnCount: Int { channels * geometry.kernelCount }

  init(_ context: NodeContext) throws(ApusError) {
    try context.requireFloat32()
    try context.requireRank(0, 4...4)
    try context.requireRank(1, 4...4)
    let x = context.input(0).shape
    let w = context.input(1).shape
    channels = x[1]
    groups = context.int("group", default: 1)
    offsetGroups = context.int("offset_group", default: 1)
    try context.require(
      groups >= 1 && groups <= max(1, w[0]) && w[0] % groups == 0 && w[1] == channels / groups
        && channels % groups == 0,
      "weights \(w) do not fit \(channels) channels in \(groups) groups")
    try context.require(
      offsetGroups >= 1 && offsetGroups <= max(1, channels) && channels % offsetGroups == 0,
      "\(offsetGroups) offset groups do not divide \(channels) channels")
    var geometry = try SpatialGeometry(context, kernel: w)
    try geometry.slide(context)
    self.geometry = geometry
    shape = geometry.outputShape(batch: x[0], channels: w[0])
    let taps = offsetGroups * geometry.kernelCount
    try context.requireShape(
      2, Shape(x[0], 2 * taps, geometry.output[1], geometry.output[2]))
    try context.requireShape(3, Shape(w[0]))
    try context.requireShape(4, Shape(x[0], taps, geometry.output[1], geometry.output[2]))
    try context.require(
      Shape(channels, geometry.kernelCount).count < 1 << 28, .unsupported,
      "a window of \(channels) x \(geometry.kernelCount) elements is too large")
  }
}

private final class DeformConvStep: Step {
  private let c: DeformedConvolution
  private let x: Slot
  private let w: Slot
  private let offset: Slot
  private let bias: Slot?
  private let mask: Slot?
  private let y: Slot
  private let column: Slot

  init(
    _ c: DeformedConvolution, _ x: Slot, _ w: Slot, _ offset: Slot, _ bias: Slot?, _ mask: Slot?,
    _ y: Slot, column: Slot
  ) {
    self.c = c
    self.x = x
    self.w = w
    self.offset = offset
    self.bias = bias
    self.mask = mask
    self.y = y
    self.column = column
  }

  override func run(_ memory: Memory, _ share: Share) {
    let g = c.geometry
    let points = g.outputCount
    let (outputs, depth) = (c.shape[1], c.columnCount / c.groups)
    let column = memory.mutableFloats(column) + share.index * c.columnCount
    for i in share.part(of: c.shape[0] * points) {
      let (image, point) = (i / points, i % points)
      gather(memory, image, point, column)
      for m in 0..<outputs {
        let sum = dotProduct(
          memory.floats(w) + m * depth, column + m / (outputs / c.groups) * depth, depth)
        memory.mutableFloats(y)[(image * outputs + m) * points + point] =
          sum + (bias.map { memory.floats($0)[m] } ?? 0)
      }
    }
  }

  /// The elements under the window of one output point, by channel and tap.
  private func gather(
    _ memory: Memory, _ image: Int, _ point: Int, _ column: UnsafeMutablePointer<Float>
  ) {
    let g = c.geometry
    let (taps, points) = (g.kernelCount, g.outputCount)
    let (height, width) = (g.input[1], g.input[2])
    let channelsEach = c.channels / c.offsetGroups
    for group in 0..<c.offsetGroups {
      for tap in 0..<taps {
        let at = (image * c.offsetGroups + group) * taps + tap
        let moved = memory.floats(offset) + at * 2 * points + point
        let top = point / g.output[2] * g.stride[1] - g.padBegin[1]
        let left = point % g.output[2] * g.stride[2] - g.padBegin[2]
        let sy = Float(top + tap / g.kernel[2] * g.dilation[1]) + moved[0]
        let sx = Float(left + tap % g.kernel[2] * g.dilation[2]) + moved[points]
        var factor: Float = 1
        if let mask { factor = memory.floats(mask)[at * points + point] }
        let corners = BilinearCorners(sy, sx, height, width)
        for channel in (group * channelsEach)..<((group + 1) * channelsEach) {
          let plane = memory.floats(x) + (image * c.channels + channel) * height * width
          column[channel * taps + tap] = corners.sample(plane) * factor
        }
      }
    }
  }
}

/// The four elements around a point of a plane and their weights, zero outside.
private struct BilinearCorners {
  private var position = SIMD4<Int>()
  private var weight = SIMD4<Float>()

  init(_ y: Float, _ x: Float, _ height: Int, _ width: Int) {
    guard y > -1, y < Float(height), x > -1, x < Float(width) else { return }
    let (floorY, floorX) = (y.rounded(.down), x.rounded(.down))
    let (top, left) = (Int(floorY), Int(floorX))
    let (wy, wx) = (y - floorY, x - floorX)
    set(0, top, left, (1 - wy) * (1 - wx), height, width)
    set(1, top, left + 1, (1 - wy) * wx, height, width)
    set(2, top + 1, left, wy * (1 - wx), height, width)
    set(3, top + 1, left + 1, wy * wx, height, width)
  }

  private mutating func set(
    _ i: Int, _ row: Int, _ column: Int, _ w: Float, _ height: Int, _ width: Int
  ) {
    guard row >= 0, row < height, column >= 0, column < width else { return }
    position[i] = row * width + column
    weight[i] = w
  }

  /// Elements of weight 0 are left out: an infinity there must not make NaN.
  func sample(_ plane: UnsafePointer<Float>) -> Float {
    var sum: Float = 0
    for i in 0..<4 where weight[i] != 0 { sum += plane[position[i]] * weight[i] }
    return sum
  }
}
