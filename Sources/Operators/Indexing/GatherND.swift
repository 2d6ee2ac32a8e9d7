import ModelFormat

/// Slices of x that tuples of indices name. With b batch dimensions, indices [b…, k…, m] and
/// x [b…, d_0 … d_(m−1), rest…]:
///
///     y[b…, k…, rest…] = x[b…, indices[b…, k…, 0], …, indices[b…, k…, m − 1], rest…]
///
/// Negative indices count from the end; one outside its dimension is clamped to the nearest entry.
/// ONNX GatherND, any type.
let gatherNDOperator = Operator(
  opcode: 188, name: "GatherND", attributes: [AttributeSpec("batch_dims", .int)], inputs: 2...2,
  notes: "An index outside its dimension is clamped to the nearest entry.",
  infer: { (context) throws(ApusError) in
    let x = context.input(0)
    let batch = context.int("batch_dims", default: 0)
    let indices = context.input(1).shape
    try context.require(
      batch >= 0 && batch < indices.rank && batch < max(1, x.shape.rank), .invalidModel,
      "batch_dims is \(batch) for an input of \(x.shape) and indices of \(indices)")
    for d in 0..<batch {
      try context.require(
        x.shape[d] == indices[d],
        "the input is \(x.shape), the indices are \(indices): batch dimension \(d) differs")
    }
    let depth = try tupleLength(context, batch: batch)
    var shape = Shape()
    let rank = indices.rank - 1 + x.shape.rank - batch - depth
    try context.require(
      rank <= Shape.maximumRank, .unsupported,
      "the output would have \(rank) dimensions; at most 8 are allowed")
    for d in 0..<(indices.rank - 1) { shape.append(indices[d]) }
    for d in (batch + depth)..<max(batch + depth, x.shape.rank) { shape.append(x.shape[d]) }
    try context.setOutput(x.dataType, shape)
    for d in batch..<(batch + depth) {
      try context.require(
        x.shape[d] > 0 || context.outputs[0].shape.count == 0,
        "dimension \(d) of \(x.shape) has no entries")
    }
  },
  plan: { (context) throws(ApusError) in
    let node = context.node
    let y = node.outputs[0]
    if y.shape.count == 0 { return }
    let tuples = IndexTuples(node, batch: node.int("batch_dims", default: 0))
    context.emit(
      GatherNDStep(context.input(0), context.input(1), context.output(0), tuples),
      work: y.byteCount / 4 + tuples.count * 4)
  })

/// The length of the tuples of indices, after the checks that GatherND and ScatterND share.
func tupleLength(_ context: NodeContext, batch: Int) throws(ApusError) -> Int {
  try context.requireIndices(1)
  let x = context.input(0).shape
  let indices = context.input(1).shape
  try context.require(indices.rank > 0, "the indices are a scalar")
  let depth = indices[last: 1]
  try context.require(
    depth <= x.rank - batch, "tuples of \(depth) indices for an input of \(x)")
  return depth
}

/// Tuples of indices, each of which names a block of a tensor.
struct IndexTuples {
  let isWide: Bool
  /// Tuples altogether, and of one batch.
  let count: Int
  let countOfBatch: Int
  let depth: Int
  /// The dimensions that a tuple's indices are for, and the bytes from one index to the next.
  private(set) var lengths = InlineArray<8, Int>(repeating: 1)
  private(set) var strides = InlineArray<8, Int>(repeating: 0)
  let batchBytes: Int
  /// Bytes of what a tuple names.
  let block: Int

  init(_ node: NodeContext, batch: Int) {
    let x = node.input(0)
    let indices = node.input(1)
    isWide = indices.dataType == .int64
    depth = indices.shape[last: 1]
    count = indices.shape.product(0, indices.shape.rank - 1)
    countOfBatch = indices.shape.product(batch, indices.shape.rank - 1)
    let size = x.dataType.size
    for d in 0..<depth {
      lengths[d] = x.shape[batch + d]
      strides[d] = x.shape.product(batch + d + 1, x.shape.rank) * size
    }
    batchBytes = x.shape.product(batch, x.shape.rank) * size
    block = x.shape.product(batch + depth, x.shape.rank) * size
  }

  /// The byte at which the block of tuple `i` starts; nil where an index is outside its dimension,
  /// unless it is to be clamped.
  @inline(__always)
  func offset(_ indices: UnsafeRawPointer, _ i: Int, clamps: Bool) -> Int? {
    var at = i / countOfBatch &* batchBytes
    var d = 0
    while d < depth {
      var k = position(indices, i &* depth &+ d, isWide: isWide, length: lengths[d])
      if k < 0 || k >= lengths[d] {
        if !clamps { return nil }
        k = max(0, min(k, lengths[d] &- 1))
      }
      at &+= k &* strides[d]
      d &+= 1
    }
    return at
  }
}

private final class GatherNDStep: Step {
  let x: Slot
  let indices: Slot
  let y: Slot
  let tuples: IndexTuples

  init(_ x: Slot, _ indices: Slot, _ y: Slot, _ tuples: IndexTuples) {
    self.x = x
    self.indices = indices
    self.y = y
    self.tuples = tuples
  }

  override func run(_ memory: Memory, _ share: Share) {
    for i in share.part(of: tuples.count) {
      let at = tuples.offset(memory[indices], i, clamps: true) ?? 0
      copyElement(memory[y] + i &* tuples.block, memory[x] + at, tuples.block)
    }
  }
}
