import ModelFormat

// Channels become the pixels of b × b blocks, b being `blocksize`, and the other way around. The
// channels of one block stand behind one another (`mode` CRD) or each in a run of all blocks' (DCR).

/// DCR: y[n, c, h·b + i, w·b + j] = x[n, (i·b + j)·C + c, h, w] with C the channels of y;
/// CRD: … = x[n, c·b² + i·b + j, h, w]. ONNX DepthToSpace, any type.
let depthToSpaceOperator = Operator(
  opcode: 197, name: "DepthToSpace",
  attributes: [AttributeSpec("blocksize", .int), AttributeSpec("mode", .string)], inputs: 1...1,
  infer: { (context) throws(ApusError) in
    let x = context.input(0)
    let b = try blockSize(context)
    _ = try isColumnFirst(context)
    let s = x.shape
    try context.require(
      s[1] % (b * b) == 0, "the \(s[1]) channels of \(s) are no multiple of \(b * b)")
    try context.setOutput(x.dataType, Shape(s[0], s[1] / (b * b), s[2] * b, s[3] * b))
  },
  plan: { (context) throws(ApusError) in
    let b = try blockSize(context.node)
    let blocks = BlockStrides(
      deep: context.node.input(0), wide: context.node.outputs[0], b,
      isColumnFirst: try isColumnFirst(context.node))
    context.emitCopy(
      StridedCopy(
        elementSize: blocks.size, counts: Shape(blocks.counts), sourceStrides: blocks.deep,
        targetStrides: blocks.wide),
      input: 0, output: 0)
  })

/// The inverse of DepthToSpace of the same `mode`. ONNX SpaceToDepth, any type.
let spaceToDepthOperator = Operator(
  opcode: 198, name: "SpaceToDepth",
  attributes: [AttributeSpec("blocksize", .int), AttributeSpec("mode", .string)], inputs: 1...1,
  infer: { (context) throws(ApusError) in
    let x = context.input(0)
    let b = try blockSize(context)
    _ = try isColumnFirst(context)
    let s = x.shape
    try context.require(
      s[2] % b == 0 && s[3] % b == 0, "\(s) is not divided into blocks of \(b) by \(b)")
    let (channels, overflow) = s[1].multipliedReportingOverflow(by: b * b)
    try context.require(!overflow, "blocks of \(b) by \(b) are too much to hold")
    try context.setOutput(x.dataType, Shape(s[0], channels, s[2] / b, s[3] / b))
  },
  plan: { (context) throws(ApusError) in
    let b = try blockSize(context.node)
    let blocks = BlockStrides(
      deep: context.node.outputs[0], wide: context.node.input(0), b,
      isColumnFirst: try isColumnFirst(context.node))
    context.emitCopy(
      StridedCopy(
        elementSize: blocks.size, counts: Shape(blocks.inOrder(blocks.counts)),
        sourceStrides: blocks.inOrder(blocks.wide), targetStrides: blocks.inOrder(blocks.deep)),
      input: 0, output: 0)
  })

private func blockSize(_ context: NodeContext) throws(ApusError) -> Int {
  try context.requireRank(0, 4...4)
  let b = context.int("blocksize", default: 0)
  try context.require(b >= 1 && b <= 1 << 20, .invalidModel, "blocksize is \(b)")
  return b
}

private func isColumnFirst(_ context: NodeContext) throws(ApusError) -> Bool {
  let mode = context.string("mode") ?? Name("DCR")
  try context.require(
    mode == Name("DCR") || mode == Name("CRD"), .unsupported,
    "mode \(mode); DCR and CRD are known")
  return mode == Name("CRD")
}

/// Both tensors as [n, c, h, i, w, j]: strides in bytes.
private struct BlockStrides {
  let size: Int
  let counts: [Int]
  let deep: [Int]
  let wide: [Int]
  private let isColumnFirst: Bool

  /// - Parameter deep: the tensor [N, C·b², H, W]; `wide` is [N, C, H·b, W·b].
  init(deep x: TensorInfo, wide y: TensorInfo, _ b: Int, isColumnFirst: Bool) {
    size = x.dataType.size
    let s = x.shape
    let channels = y.shape[1]
    counts = [s[0], channels, s[2], b, s[3], b]
    wide = denseStrides(Shape(counts), elementSize: size)
    self.isColumnFirst = isColumnFirst
    let plane = s[2] * s[3] * size
    let block = isColumnFirst ? plane : channels * plane
    deep = [
      s[1] * plane, isColumnFirst ? b * b * plane : plane, s[3] * size, b * block, size, block,
    ]
  }

  /// The entries for n, c, h, i, w and j in the order of the deep tensor, whose rows are longer.
  func inOrder(_ v: [Int]) -> [Int] {
    isColumnFirst
      ? [v[0], v[1], v[3], v[5], v[2], v[4]] : [v[0], v[3], v[5], v[1], v[2], v[4]]
  }
}
