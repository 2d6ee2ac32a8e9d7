import ModelFormat

/// The grid for GridSample that theta maps evenly spaced points to: grid[n, o…] = theta[n] · (p, 1),
/// p the point o with coordinates from −1 to 1, the last axis first; with align_corners −1 and 1 are
/// the first and last points, else half a step lies between them and the points.
///
/// Inputs: theta [N, r, r + 1], size int64 [N, C, O1 … Or], r 2 or 3. Output [N, O1 … Or, r]. ONNX
/// AffineGrid, float32.
let affineGridOperator = Operator(
  opcode: 225, name: "AffineGrid", attributes: [AttributeSpec("align_corners", .int)],
  inputs: 2...2,
  infer: { (context) throws(ApusError) in
    try context.requireType(0, .float32)
    try context.requireRank(0, 3...3)
    let theta = context.input(0).shape
    let size = try context.constantInts(1) ?? []
    let rank = size.count - 2
    try context.require(rank == 2 || rank == 3, "size has \(size.count) numbers; 4 or 5 are wanted")
    try context.requireShape(0, Shape(size[0], rank, rank + 1))
    var shape = Shape(theta[0])
    for i in 0..<rank {
      try context.require(size[2 + i] >= 0, .invalidModel, "size holds \(size[2 + i])")
      shape.append(size[2 + i])
    }
    shape.append(rank)
    try context.setOutput(.float32, shape)
  },
  plan: { (context) throws(ApusError) in
    let shape = context.node.outputs[0].shape
    if shape.count == 0 { return }
    context.emit(
      AffineGridStep(
        shape, alignsCorners: context.node.int("align_corners", default: 0) != 0,
        context.input(0), context.output(0)),
      work: shape.count * 4)
  })

private final class AffineGridStep: Step {
  private let shape: Shape
  private let alignsCorners: Bool
  private let theta: Slot
  private let y: Slot

  init(_ shape: Shape, alignsCorners: Bool, _ theta: Slot, _ y: Slot) {
    self.shape = shape
    self.alignsCorners = alignsCorners
    self.theta = theta
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    let rank = shape.rank - 2
    let points = shape.product(1, shape.rank - 1)
    for i in share.part(of: shape[0] * points) {
      let rows = memory.floats(theta) + i / points * rank * (rank + 1)
      // Coordinates in the order of theta's columns.
      var p = InlineArray<3, Double>(repeating: 0)
      var rest = i % points
      for k in 0..<rank {
        let n = shape[rank - k]
        p[k] = position(rest % n, n)
        rest /= n
      }
      for r in 0..<rank {
        var sum = 0.0
        for k in 0..<rank { sum += Double(rows[r * (rank + 1) + k]) * p[k] }
        sum += Double(rows[r * (rank + 1) + rank])
        memory.mutableFloats(y)[i * rank + r] = Float(sum)
      }
    }
  }

  private func position(_ i: Int, _ n: Int) -> Double {
    if alignsCorners { return n > 1 ? 2 * Double(i) / Double(n - 1) - 1 : -1 }
    return (2 * Double(i) + 1) / Double(n) - 1
  }
}
