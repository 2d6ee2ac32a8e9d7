import ModelFormat

/// x cropped, or padded with zeros, evenly on both sides until its `axes` (all without it) have the
/// lengths that input 1 holds. Of an odd difference the larger half is behind. ONNX CenterCropPad,
/// any type.
let centerCropPadOperator = Operator(
  opcode: 200, name: "CenterCropPad", attributes: [AttributeSpec("axes", .ints)], inputs: 2...2,
  notes: "The lengths must be a constant.",
  infer: { (context) throws(ApusError) in
    let x = context.input(0)
    let lengths = try context.constantInts(1) ?? []
    let axes = context.ints("axes")
    try context.require(
      lengths.count == axes?.count ?? x.shape.rank,
      "\(lengths.count) lengths for \(axes?.count ?? x.shape.rank) axes")
    var shape = x.shape
    var seen: UInt = 0
    for i in 0..<lengths.count {
      let axis = try context.normalizedAxis(axes?[i] ?? i, rank: x.shape.rank)
      try context.require(
        seen >> UInt(axis) & 1 == 0, .invalidModel, "axis \(axis) stands in axes twice")
      seen |= 1 << UInt(axis)
      try context.require(
        lengths[i] >= 0, .invalidModel, "axis \(axis) shall have a length of \(lengths[i])")
      shape[axis] = lengths[i]
    }
    try context.setOutput(x.dataType, shape)
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0)
    let y = context.node.outputs[0]
    let size = y.dataType.size
    let source = denseStrides(x.shape, elementSize: size)
    let target = denseStrides(y.shape, elementSize: size)
    var common = x.shape
    var from = 0
    var to = 0
    for d in 0..<x.shape.rank {
      common[d] = min(x.shape[d], y.shape[d])
      from += (x.shape[d] - common[d]) / 2 * source[d]
      to += (y.shape[d] - common[d]) / 2 * target[d]
    }
    let copy = StridedCopy(
      elementSize: size, counts: common, sourceStrides: source, targetStrides: target,
      sourceOffset: from, targetOffset: to)
    if common == y.shape {
      context.emitCopy(copy, input: 0, output: 0)
    } else {
      context.emit(
        FillStep(nil, context.output(0), size: size, count: y.shape.count),
        work: y.byteCount / 4)
      context.emitPartialCopy(copy, input: 0, output: 0)
    }
  })
