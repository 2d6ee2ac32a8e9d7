import ModelFormat

/// x repeated along its dimensions of 1 until it has the shape of x broadcast with input 1 (constant
/// integers). ONNX Expand, any type.
let expandOperator = Operator(
  opcode: 111, name: "Expand", inputs: 2...2, notes: "The shape must be a constant.",
  infer: { (context) throws(ApusError) in
    let x = context.input(0)
    let wanted = try context.constantInts(1) ?? []
    try context.require(
      wanted.count <= Shape.maximumRank, .unsupported,
      "a shape of \(wanted.count) dimensions; at most 8 are allowed")
    for (i, d) in wanted.enumerated() {
      try context.require(d >= 0, .invalidModel, "dimension \(i) of the shape is \(d)")
    }
    let shape = Shape(wanted)
    let rank = max(x.shape.rank, shape.rank)
    var result = Shape()
    for d in 0..<rank {
      let a = d - (rank - x.shape.rank)
      let b = d - (rank - shape.rank)
      let from = a < 0 ? 1 : x.shape[a]
      let to = b < 0 ? 1 : shape[b]
      try context.require(
        from == to || from == 1 || to == 1, "\(x.shape) cannot be broadcast with \(shape)")
      result.append(from == 1 ? to : from)
    }
    try context.setOutput(x.dataType, result)
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0)
    let y = context.node.outputs[0]
    let size = x.dataType.size
    context.emitCopy(
      StridedCopy(
        elementSize: size, counts: y.shape,
        sourceStrides: broadcastStrides(x.shape, to: y.shape, elementSize: size),
        targetStrides: denseStrides(y.shape, elementSize: size)),
      input: 0, output: 0)
  })

/// Bytes from one index of `shape` to the next in `x`, which is broadcast to it: 0 along dimensions
/// that x repeats.
func broadcastStrides(_ x: Shape, to shape: Shape, elementSize: Int) -> [Int] {
  let dense = denseStrides(x, elementSize: elementSize)
  var strides = [Int](repeating: 0, count: shape.rank)
  for d in 0..<x.rank where x[d] != 1 { strides[shape.rank - x.rank + d] = dense[d] }
  return strides
}
