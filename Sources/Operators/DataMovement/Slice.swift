import ModelFormat

/// y[…, i, …] = x[…, start + i · step, …] for the axes named. Inputs 1 to 4 are integers:
/// starts, ends, axes, steps; negative starts and ends count from the end of the axis, and both are
/// clamped to it. ONNX Slice, any type. Where the slice is one run of x's memory it is a view of it.
let sliceOperator = Operator(
  opcode: 108, name: "Slice", inputs: 3...5,
  infer: { (context) throws(ApusError) in
    if !context.knowsValues(1...4) {
      return try context.setBoundedOutput(context.input(0).dataType, context.input(0).shape)
    }
    try context.setOutput(context.input(0).dataType, try SliceRange(context).shape)
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0)
    let size = x.dataType.size
    let range = try SliceRange(context.node)
    var source = denseStrides(x.shape, elementSize: size)
    var offset = 0
    for d in 0..<x.shape.rank {
      offset += range.starts[d] * source[d]
      source[d] *= range.steps[d]
    }
    context.emitCopy(
      StridedCopy(
        elementSize: size, counts: range.shape, sourceStrides: source,
        targetStrides: denseStrides(range.shape, elementSize: size), sourceOffset: offset),
      input: 0, output: 0)
  })

/// What a Slice takes from each axis.
struct SliceRange {
  var shape: Shape
  /// The first element taken, from 0; 0 where nothing is.
  var starts: [Int]
  /// Never 0, and at most the axis' length in magnitude: a longer step takes no other elements.
  var steps: [Int]

  init(_ context: NodeContext) throws(ApusError) {
    shape = context.input(0).shape
    let rank = shape.rank
    let from = try context.constantInts(1) ?? []
    let to = try context.constantInts(2) ?? []
    let axes = try context.constantInts(3)
    let by = try context.constantInts(4)
    try context.require(
      to.count == from.count && (axes?.count ?? from.count) == from.count
        && (by?.count ?? from.count) == from.count, .invalidModel,
      "starts, ends, axes and steps differ in length")
    try context.require(
      from.count <= rank, .invalidModel, "\(from.count) starts for an input of rank \(rank)")
    starts = [Int](repeating: 0, count: rank)
    steps = [Int](repeating: 1, count: rank)
    var seen: UInt = 0
    for i in 0..<from.count {
      let axis = try context.normalizedAxis(axes?[i] ?? i, rank: rank)
      try context.require(
        seen >> UInt(axis) & 1 == 0, .invalidModel, "axis \(axis) stands in axes twice")
      seen |= 1 << UInt(axis)
      let length = shape[axis]
      let longest = max(1, length)
      let step = max(-longest, min(by?[i] ?? 1, longest))
      try context.require(step != 0, .invalidModel, "the step of axis \(axis) is 0")
      let start = SliceRange.clamp(from[i], length, step)
      let end = SliceRange.clamp(to[i], length, step)
      let count = step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step
      shape[axis] = max(0, count)
      starts[axis] = count > 0 ? start : 0
      steps[axis] = step
    }
  }

  /// A start or end as ONNX clamps it: into 0...length going forwards, −1...length − 1 backwards.
  private static func clamp(_ position: Int, _ length: Int, _ step: Int) -> Int {
    let p = position < 0 ? position + length : position
    return step > 0 ? max(0, min(p, length)) : max(-1, min(p, length - 1))
  }
}
