import ModelFormat

// Operators that give a tensor another shape and move nothing: their output is a view of the input.

private func planView(_ context: PlanContext) {
  if context.viewChannelsLast() { return }
  context.view(input: 0, output: 0)
}

extension NodeContext {
  /// Sets the output to be input 0 under another shape; a constant stays known.
  fileprivate func setViewOutput(_ shape: Shape) throws(ApusError) {
    let x = input(0)
    try setOutput(x.dataType, shape)
    outputs[outputs.count - 1].constant = x.constant
  }

  /// A constant list of axes of a tensor of rank `rank`, each at most once, as a mask.
  fileprivate func axisMask(_ axes: [Int], rank: Int) throws(ApusError) -> UInt {
    var mask: UInt = 0
    for axis in axes {
      let bit = UInt(1) << UInt(try normalizedAxis(axis, rank: rank))
      try require(mask & bit == 0, .invalidModel, "axis \(axis) stands in axes twice")
      mask |= bit
    }
    return mask
  }
}

/// y = x. ONNX Identity, any type.
let identityOperator = Operator(
  opcode: 100, name: "Identity", inputs: 1...1,
  infer: { (context) throws(ApusError) in
    try context.setViewOutput(context.input(0).shape)
  },
  plan: { (context) throws(ApusError) in planView(context) })

/// x under the shape that input 1 (constant integers) states: −1 stands for the dimension that
/// makes the number of elements right, 0 for the input's own dimension (unless `allowzero` is 1).
/// ONNX Reshape, any type.
let reshapeOperator = Operator(
  opcode: 101, name: "Reshape", attributes: [AttributeSpec("allowzero", .int)], inputs: 2...2,
  notes: "The shape must be a constant.",
  infer: { (context) throws(ApusError) in
    let x = context.input(0)
    let wanted = try context.constantInts(1) ?? []
    try context.require(
      wanted.count <= Shape.maximumRank, .unsupported,
      "a shape of \(wanted.count) dimensions; at most 8 are allowed")
    let keepsZero = context.int("allowzero", default: 0) != 0
    var shape = Shape()
    var free = -1
    // The dimensions that are not the input's own, on either side: they must hold as much even where
    // one of the others is 0.
    var rest = x.shape
    var given = Shape()
    for (i, d) in wanted.enumerated() {
      given.append(d < 0 ? 1 : d)
      if d == 0 && !keepsZero {
        try context.require(
          i < x.shape.rank, "dimension \(i) is to be the input's, which is \(x.shape)")
        shape.append(x.shape[i])
        rest[i] = 1
        given[i] = 1
      } else if d == -1 {
        try context.require(free < 0, .invalidModel, "two dimensions of the shape are -1")
        free = i
        shape.append(1)
      } else {
        try context.require(d >= 0, .invalidModel, "dimension \(i) of the shape is \(d)")
        shape.append(d)
      }
    }
    let n = x.shape.count
    guard shape.checkedCount != nil, let known = given.checkedCount, let all = rest.checkedCount
    else { throw context.error(.invalidShape, "the shape \(shape) is too much to hold") }
    if free >= 0 {
      try context.require(
        known > 0 && all % known == 0,
        "\(x.shape) of \(n) elements does not divide into the \(known) of the dimensions given")
      shape[free] = all / known
    }
    try context.require(
      shape.checkedCount == n, "\(x.shape) of \(n) elements cannot become \(shape)")
    try context.setViewOutput(shape)
  },
  plan: { (context) throws(ApusError) in planView(context) })

/// x as a matrix: the dimensions before `axis` times those from it on. ONNX Flatten, any type.
let flattenOperator = Operator(
  opcode: 102, name: "Flatten", attributes: [AttributeSpec("axis", .int)], inputs: 1...1,
  infer: { (context) throws(ApusError) in
    let shape = context.input(0).shape
    let stated = context.int("axis", default: 1)
    try context.require(
      stated >= -shape.rank && stated <= shape.rank, .invalidModel,
      "axis \(stated) does not exist in \(shape)")
    let axis = stated < 0 ? stated + shape.rank : stated
    try context.setViewOutput(Shape(shape.product(0, axis), shape.product(axis, shape.rank)))
  },
  plan: { (context) throws(ApusError) in planView(context) })

/// x without the dimensions of 1 that input 1 (constant) names, or without any where it is left
/// out. ONNX Squeeze, any type.
let squeezeOperator = Operator(
  opcode: 103, name: "Squeeze", inputs: 1...2, notes: "The axes must be a constant.",
  infer: { (context) throws(ApusError) in
    let shape = context.input(0).shape
    var mask: UInt = 0
    if let axes = try context.constantInts(1) {
      mask = try context.axisMask(axes, rank: shape.rank)
    } else {
      for d in 0..<shape.rank where shape[d] == 1 { mask |= 1 << UInt(d) }
    }
    var result = Shape()
    for d in 0..<shape.rank {
      if mask >> UInt(d) & 1 == 0 {
        result.append(shape[d])
      } else {
        try context.require(shape[d] == 1, "dimension \(d) of \(shape) is not 1")
      }
    }
    try context.setViewOutput(result)
  },
  plan: { (context) throws(ApusError) in planView(context) })

/// x with dimensions of 1 at the places in the output that input 1 (constant) names. ONNX
/// Unsqueeze, any type.
let unsqueezeOperator = Operator(
  opcode: 104, name: "Unsqueeze", inputs: 2...2, notes: "The axes must be a constant.",
  infer: { (context) throws(ApusError) in
    let shape = context.input(0).shape
    let axes = try context.constantInts(1) ?? []
    let rank = shape.rank + axes.count
    try context.require(
      rank <= Shape.maximumRank, .unsupported,
      "the output would have \(rank) dimensions; at most 8 are allowed")
    let mask = try context.axisMask(axes, rank: rank)
    var result = Shape()
    var from = 0
    for d in 0..<rank {
      if mask >> UInt(d) & 1 == 1 {
        result.append(1)
      } else {
        result.append(shape[from])
        from += 1
      }
    }
    try context.setViewOutput(result)
  },
  plan: { (context) throws(ApusError) in planView(context) })
