import CSystem
import ModelFormat

/// The entries of x along `axis` that the indices name:
///
///     y[a…, i…, b…] = x[a…, indices[i…], b…]
///
/// with a… the dimensions of x before `axis` and b… those behind it; with axis 0 and a matrix x this
/// is an embedding. Indices are int32 or int64, negative ones count from the end. An index outside
/// the axis is undefined in ONNX; here it is clamped to the nearest entry. ONNX Gather, any type.
let gatherOperator = Operator(
  opcode: 110, name: "Gather", attributes: [AttributeSpec("axis", .int)], inputs: 2...2,
  notes: "An index outside the axis is clamped to the nearest entry.",
  infer: { (context) throws(ApusError) in
    let x = context.input(0)
    let indices = context.input(1)
    try context.require(
      indices.dataType == .int32 || indices.dataType == .int64, .invalidType,
      "input 1 must be int32 or int64 and is \(indices.dataType)")
    try context.require(x.shape.rank > 0, "input 0 is a scalar, which has no entries")
    let axis = try context.normalizedAxis(context.int("axis", default: 0), rank: x.shape.rank)
    let rank = x.shape.rank - 1 + indices.shape.rank
    try context.require(
      rank <= Shape.maximumRank, .unsupported,
      "the output would have \(rank) dimensions; at most 8 are allowed")
    try context.require(
      x.shape[axis] > 0 || indices.shape.count == 0, "axis \(axis) of \(x.shape) has no entries")
    var shape = Shape()
    for d in 0..<axis { shape.append(x.shape[d]) }
    for d in 0..<indices.shape.rank { shape.append(indices.shape[d]) }
    for d in (axis + 1)..<max(axis + 1, x.shape.rank) { shape.append(x.shape[d]) }
    try context.setOutput(x.dataType, shape)
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0)
    let y = context.node.outputs[0]
    let axis = try context.node.normalizedAxis(
      context.node.int("axis", default: 0), rank: x.shape.rank)
    if y.shape.count == 0 { return }
    let entryBytes = x.shape.product(axis + 1, x.shape.rank) * x.dataType.size
    context.emit(
      GatherStep(
        context.input(0), context.input(1), context.output(0),
        outer: x.shape.product(0, axis), length: x.shape[axis],
        indexCount: context.node.input(1).shape.count,
        isWide: context.node.input(1).dataType == .int64, entryBytes: entryBytes),
      work: y.byteCount / 4)
  })

private final class GatherStep: Step {
  let x: Slot
  let indices: Slot
  let y: Slot
  let outer: Int
  let length: Int
  let indexCount: Int
  let isWide: Bool
  let entryBytes: Int

  init(
    _ x: Slot, _ indices: Slot, _ y: Slot, outer: Int, length: Int, indexCount: Int, isWide: Bool,
    entryBytes: Int
  ) {
    self.x = x
    self.indices = indices
    self.y = y
    self.outer = outer
    self.length = length
    self.indexCount = indexCount
    self.isWide = isWide
    self.entryBytes = entryBytes
  }

  override func run(_ memory: Memory, _ share: Share) {
    let source = UnsafeRawPointer(memory[x])
    let indices = UnsafeRawPointer(memory[indices])
    let target = memory[y]
    var o = 0
    // One thread's entries of the whole output, in the order in which they lie in it.
    let part = share.part(of: outer &* indexCount)
    var i = part.lowerBound
    o = i / indexCount
    var k = i &- o &* indexCount
    while i < part.upperBound {
      let index =
        isWide
        ? Int(truncatingIfNeeded: indices.loadUnaligned(fromByteOffset: k &* 8, as: Int64.self))
        : Int(truncatingIfNeeded: indices.loadUnaligned(fromByteOffset: k &* 4, as: Int32.self))
      let counted = index < 0 ? index &+ length : index
      let entry = max(0, min(counted, length &- 1))
      let from = source + (o &* length &+ entry) &* entryBytes
      let to = target + i &* entryBytes
      if entryBytes == 4 {
        to.storeBytes(of: from.loadUnaligned(as: UInt32.self), as: UInt32.self)
      } else {
        memcpy(to, from, entryBytes)
      }
      i &+= 1
      k &+= 1
      if k == indexCount {
        k = 0
        o &+= 1
      }
    }
  }
}
