import ModelFormat

/// x in pieces along `axis`: as long as input 1 (constant) says, or else `num_outputs` equal ones,
/// of which the last may be shorter. ONNX Split, any type. A piece that is one run of x's memory is
/// a view of it.
let splitOperator = Operator(
  opcode: 107, name: "Split",
  attributes: [AttributeSpec("axis", .int), AttributeSpec("num_outputs", .int)], inputs: 1...2,
  outputs: 1...65535,
  infer: { (context) throws(ApusError) in
    let x = context.input(0)
    if !context.knowsValues(1...1) {
      for _ in 0..<context.outputCount { try context.setBoundedOutput(x.dataType, x.shape) }
      return
    }
    let (axis, lengths) = try splitLengths(context)
    for length in lengths {
      var shape = x.shape
      shape[axis] = length
      try context.setOutput(x.dataType, shape)
    }
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0)
    let (axis, lengths) = try splitLengths(context.node)
    let size = x.dataType.size
    let source = denseStrides(x.shape, elementSize: size)
    var offset = 0
    for i in 0..<lengths.count {
      if context.node.wantsOutput(i) {
        let shape = context.node.outputs[i].shape
        context.emitCopy(
          StridedCopy(
            elementSize: size, counts: shape, sourceStrides: source,
            targetStrides: denseStrides(shape, elementSize: size), sourceOffset: offset),
          input: 0, output: i)
      }
      offset += lengths[i] * source[axis]
    }
  })

private func splitLengths(_ context: NodeContext) throws(ApusError) -> (axis: Int, lengths: [Int]) {
  let shape = context.input(0).shape
  try context.require(shape.rank > 0, "input 0 is a scalar, which cannot be split")
  let axis = try context.normalizedAxis(context.int("axis", default: 0), rank: shape.rank)
  let length = shape[axis]
  let n = context.outputCount
  if let lengths = try context.constantInts(1) {
    try context.require(
      lengths.count == n, .invalidModel, "\(lengths.count) lengths for \(n) outputs")
    var rest = length
    for l in lengths {
      try context.require(
        l >= 0 && l <= rest, "the lengths do not add up to the \(length) of axis \(axis)")
      rest -= l
    }
    try context.require(rest == 0, "the lengths do not add up to the \(length) of axis \(axis)")
    return (axis, lengths)
  }
  let stated = context.int("num_outputs", default: n)
  try context.require(stated == n, .invalidModel, "num_outputs is \(stated), the node has \(n)")
  let each = (length + n - 1) / n
  let last = length - each * (n - 1)
  try context.require(last >= 0, "axis \(axis) of \(shape) cannot be split into \(n) pieces")
  var lengths = [Int](repeating: each, count: n)
  lengths[n - 1] = last
  return (axis, lengths)
}
