import ModelFormat

/// y[i_perm[0], i_perm[1], …] = x[i_0, i_1, …]: dimension d of y is dimension perm[d] of x. Without
/// `perm` the dimensions are reversed. ONNX Transpose, any type.
let transposeOperator = Operator(
  opcode: 105, name: "Transpose", attributes: [AttributeSpec("perm", .ints)], inputs: 1...1,
  infer: { (context) throws(ApusError) in
    let x = context.input(0)
    let perm = try permutation(context)
    var shape = Shape()
    for d in perm { shape.append(x.shape[d]) }
    try context.setOutput(x.dataType, shape)
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0)
    let y = context.node.outputs[0]
    let size = x.dataType.size
    let strides = denseStrides(x.shape, elementSize: size)
    var source: [Int] = []
    for d in try permutation(context.node) { source.append(strides[d]) }
    context.emitCopy(
      StridedCopy(
        elementSize: size, counts: y.shape, sourceStrides: source,
        targetStrides: denseStrides(y.shape, elementSize: size)),
      input: 0, output: 0)
  })

private func permutation(_ context: NodeContext) throws(ApusError) -> [Int] {
  let rank = context.input(0).shape.rank
  guard let perm = context.ints("perm") else {
    var reversed: [Int] = []
    for d in 0..<rank { reversed.append(rank - 1 - d) }
    return reversed
  }
  try context.require(
    perm.count == rank, .invalidModel,
    "perm has \(perm.count) entries; the input \(context.input(0).shape) has \(rank) dimensions")
  var seen: UInt = 0
  var result: [Int] = []
  for p in perm {
    let d = try context.normalizedAxis(p, rank: rank)
    try context.require(
      seen >> UInt(d) & 1 == 0, .invalidModel, "dimension \(d) stands in perm twice")
    seen |= 1 << UInt(d)
    result.append(d)
  }
  return result
}
