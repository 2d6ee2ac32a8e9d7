import CSystem
import ModelFormat

/// The inverse of cutting an image into blocks: where blocks overlap they are added up.
///
///     y[n, c, l · stride + k · dilation − pad] += x[n, c · K + k, l]
///
/// for all kernel positions k (K of them) and block positions l, both of one or more dimensions;
/// what falls on the padding is dropped. Input 1 is the shape of the image, input 2 that of a block.
/// ONNX Col2Im.
let col2ImOperator = Operator(
  opcode: 201, name: "Col2Im",
  attributes: [
    AttributeSpec("dilations", .ints), AttributeSpec("pads", .ints), AttributeSpec("strides", .ints),
  ],
  inputs: 3...3, notes: "The shapes of image and block must be constants.",
  infer: { (context) throws(ApusError) in
    try context.requireNumbers(0)
    try context.setOutput(context.input(0).dataType, try ImageBlocks(context).shape)
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0)
    let blocks = try ImageBlocks(context.node)
    if blocks.shape.count == 0 { return }
    context.emit(
      Col2ImStep(context.input(0), context.output(0), x.dataType, blocks), work: x.shape.count * 4)
  })

/// How blocks lie in an image.
private struct ImageBlocks {
  /// Of the output.
  private(set) var shape: Shape
  let rank: Int
  private(set) var kernel = InlineArray<8, Int>(repeating: 1)
  private(set) var image = InlineArray<8, Int>(repeating: 1)
  private(set) var positions = InlineArray<8, Int>(repeating: 1)
  private(set) var strides = InlineArray<8, Int>(repeating: 1)
  private(set) var dilations = InlineArray<8, Int>(repeating: 1)
  private(set) var pads = InlineArray<8, Int>(repeating: 0)
  private(set) var kernelCount = 1
  private(set) var positionCount = 1

  init(_ context: NodeContext) throws(ApusError) {
    try context.requireRank(0, 3...3)
    let x = context.input(0).shape
    let sizes = try context.constantInts(1) ?? []
    let block = try context.constantInts(2) ?? []
    rank = sizes.count
    try context.require(
      rank >= 1 && rank <= 6 && block.count == rank,
      "an image of \(sizes.count) and blocks of \(block.count) dimensions; 1 to 6 are supported")
    func list(_ name: StaticString, _ n: Int, _ range: ClosedRange<Int>, default value: Int)
      throws(ApusError) -> [Int]
    {
      let values = context.ints(name) ?? [Int](repeating: value, count: n)
      try context.require(
        values.count == n, .invalidModel, "\(name) has \(values.count) entries and needs \(n)")
      for v in values {
        try context.require(range.contains(v), .invalidModel, "\(name) has an entry of \(v)")
      }
      return values
    }
    let limit = 1 << 24
    let by = try list("strides", rank, 1...limit, default: 1)
    let apart = try list("dilations", rank, 1...limit, default: 1)
    let padding = try list("pads", 2 * rank, 0...limit, default: 0)
    shape = Shape(x[0], 0)
    for d in 0..<rank {
      try context.require(
        sizes[d] >= 0 && sizes[d] <= 1 << 32 && block[d] >= 1 && block[d] <= limit,
        .invalidModel, "dimension \(d) is \(sizes[d]) of the image, \(block[d]) of a block")
      image[d] = sizes[d]
      kernel[d] = block[d]
      strides[d] = by[d]
      dilations[d] = apart[d]
      pads[d] = padding[d]
      let room = sizes[d] + padding[d] + padding[rank + d] - apart[d] * (block[d] - 1) - 1
      positions[d] = room < 0 ? 0 : room / by[d] + 1
      shape.append(sizes[d])
    }
    let all = Shape(block)
    guard let n = all.checkedCount else { throw context.error(.invalidShape, "blocks of \(all)") }
    kernelCount = n
    var grid = Shape()
    for d in 0..<rank { grid.append(positions[d]) }
    try context.require(
      grid.checkedCount == x[2], "there are \(grid) positions of blocks; input 0 is \(x)")
    positionCount = x[2]
    try context.require(x[1] % n == 0, "input 0 is \(x) for blocks of \(n) elements")
    shape[1] = x[1] / n
  }
}

private final class Col2ImStep: Step {
  let x: Slot
  let y: Slot
  let sum: Scattering
  let blocks: ImageBlocks
  let planes: Int
  let planeCount: Int

  init(_ x: Slot, _ y: Slot, _ type: DataType, _ blocks: ImageBlocks) {
    self.x = x
    self.y = y
    self.blocks = blocks
    sum = Scattering(.add, type)
    planes = blocks.shape[0] * blocks.shape[1]
    planeCount = blocks.shape.product(2, blocks.shape.rank)
  }

  override func run(_ memory: Memory, _ share: Share) {
    let size = sum.type.size
    for plane in share.part(of: planes) {
      let target = memory[y] + plane &* planeCount &* size
      memset(target, 0, planeCount &* size)
      for k in 0..<blocks.kernelCount {
        let row = plane &* blocks.kernelCount &+ k
        add(target, memory[x] + row &* blocks.positionCount &* size, k, size)
      }
    }
  }

  /// Kernel position k of every block.
  private func add(_ y: UnsafeMutableRawPointer, _ x: UnsafeRawPointer, _ k: Int, _ size: Int) {
    let last = blocks.rank &- 1
    var first = InlineArray<8, Int>(repeating: 0)
    var rest = k
    var d = last
    while d >= 0 {
      first[d] = rest % blocks.kernel[d] &* blocks.dilations[d] &- blocks.pads[d]
      rest /= blocks.kernel[d]
      d &-= 1
    }
    let columns = blocks.positions[last]
    if columns == 0 { return }
    for row in 0..<blocks.positionCount / columns {
      var rest = row
      var at = 0
      var planeStride = blocks.image[last]
      var isInside = true
      var d = last &- 1
      while d >= 0 {
        let i = rest % blocks.positions[d] &* blocks.strides[d] &+ first[d]
        rest /= blocks.positions[d]
        if i < 0 || i >= blocks.image[d] { isInside = false }
        at &+= i &* planeStride
        planeStride &*= blocks.image[d]
        d &-= 1
      }
      if !isInside { continue }
      // The columns whose element lies inside.
      let stride = blocks.strides[last]
      let from = first[last] >= 0 ? 0 : (stride &- 1 &- first[last]) / stride
      let room = blocks.image[last] &- first[last]
      let to = min(columns, room <= 0 ? 0 : (room &- 1) / stride &+ 1)
      var source = x + (row &* columns &+ from) &* size
      var target = y + (at &+ from &* stride &+ first[last]) &* size
      var column = from
      while column < to {
        if sum.type == .float32 {
          let total = target.load(as: Float.self) + source.load(as: Float.self)
          target.storeBytes(of: total, as: Float.self)
        } else {
          sum.apply(target, source, bytes: size)
        }
        source += size
        target += stride &* size
        column &+= 1
      }
    }
  }
}
