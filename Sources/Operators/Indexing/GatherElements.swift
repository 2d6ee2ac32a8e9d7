import ModelFormat

/// Elements of x that the indices name along `axis`, the other coordinates being the index's own:
///
///     y[i_0, …, i_n] = x[i_0, …, indices[i_0, …, i_n], …, i_n]
///
/// Negative indices count from the end; one outside the axis is clamped to the nearest entry. ONNX
/// GatherElements, any type.
let gatherElementsOperator = Operator(
  opcode: 187, name: "GatherElements", attributes: [AttributeSpec("axis", .int)], inputs: 2...2,
  notes: "An index outside the axis is clamped to the nearest entry.",
  infer: { (context) throws(ApusError) in
    let x = context.input(0)
    let axis = try elementAxis(context)
    let indices = context.input(1).shape
    try context.require(
      x.shape[axis] > 0 || indices.count == 0, "axis \(axis) of \(x.shape) has no entries")
    try context.setOutput(x.dataType, indices)
  },
  plan: { (context) throws(ApusError) in
    let node = context.node
    let y = node.outputs[0]
    if y.shape.count == 0 { return }
    let places = ElementPlaces(node.input(0).shape, y.shape, axis: try elementAxis(node))
    context.emit(
      GatherElementsStep(
        context.input(0), context.input(1), context.output(0), places, size: y.dataType.size,
        isWide: node.input(1).dataType == .int64),
      work: y.shape.count * 2)
  })

/// The axis, after all checks of the shapes of input 0 and the indices, input 1.
func elementAxis(_ context: NodeContext) throws(ApusError) -> Int {
  try context.requireIndices(1)
  let x = context.input(0).shape
  let indices = context.input(1).shape
  try context.require(
    x.rank > 0 && x.rank == indices.rank, "the indices are \(indices) for an input of \(x)")
  let axis = try context.normalizedAxis(context.int("axis", default: 0), rank: x.rank)
  for d in 0..<x.rank where d != axis {
    try context.require(
      indices[d] <= x[d], "the indices are \(indices), more than \(x) along dimension \(d)")
  }
  return axis
}

/// Where in a tensor the elements lie that a tensor of indices along one axis names. The indices are
/// taken in rows of the last dimension; all distances are in elements.
struct ElementPlaces {
  let counts: InlineArray<8, Int>
  private(set) var strides: InlineArray<8, Int>
  let outerRank: Int
  let rows: Int
  let columns: Int
  let length: Int
  let axisStride: Int
  /// From one column to the next: 0 where the last dimension is the axis itself.
  let columnStride: Int

  init(_ x: Shape, _ indices: Shape, axis: Int) {
    counts = indices.counts
    strides = x.strides
    outerRank = x.rank - 1
    rows = indices.product(0, outerRank)
    columns = indices[outerRank]
    length = x[axis]
    axisStride = strides[axis]
    strides[axis] = 0
    columnStride = strides[outerRank]
  }

  /// Where row `row` starts, at position 0 of the axis.
  @inline(__always) func start(_ row: Int) -> Int {
    boxOffset(row, counts, strides, rank: outerRank)
  }
}

private final class GatherElementsStep: Step {
  let x: Slot
  let indices: Slot
  let y: Slot
  let places: ElementPlaces
  let size: Int
  let isWide: Bool

  init(
    _ x: Slot, _ indices: Slot, _ y: Slot, _ places: ElementPlaces, size: Int, isWide: Bool
  ) {
    self.x = x
    self.indices = indices
    self.y = y
    self.places = places
    self.size = size
    self.isWide = isWide
  }

  override func run(_ memory: Memory, _ share: Share) {
    let source = UnsafeRawPointer(memory[x])
    let indices = UnsafeRawPointer(memory[indices])
    let target = memory[y]
    for row in share.part(of: places.rows) {
      let start = places.start(row)
      var column = 0
      while column < places.columns {
        let at = row &* places.columns &+ column
        let k = clampedPosition(indices, at, isWide: isWide, length: places.length)
        let from = start &+ k &* places.axisStride &+ column &* places.columnStride
        copyElement(target + at &* size, source + from &* size, size)
        column &+= 1
      }
    }
  }
}
