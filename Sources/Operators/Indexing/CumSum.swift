import CKernels
import CSystem
import ModelFormat

/// y_i = Σ_{j ≤ i} x_j along the axis that input 1 holds; `exclusive` leaves x_i out, `reverse` sums
/// from the end. Floats are added one after the other. ONNX CumSum; float32, int32, int64 and the
/// small integer types, which wrap around.
let cumSumOperator = Operator(
  opcode: 194, name: "CumSum",
  attributes: [AttributeSpec("exclusive", .int), AttributeSpec("reverse", .int)], inputs: 2...2,
  notes: "An axis that only the run knows is clamped to those that there are.",
  infer: { (context) throws(ApusError) in
    try context.requireNumbers(0)
    try context.requireIndices(1)
    let x = context.input(0)
    let axis = context.input(1)
    try context.require(x.shape.rank > 0, "input 0 is a scalar, which has no axis")
    try context.require(axis.shape.count == 1, "input 1 must hold one axis and is \(axis.shape)")
    if let known = axis.constant {
      _ = try context.normalizedAxis(loadInteger(known, 0, axis.dataType), rank: x.shape.rank)
    }
    try context.setOutput(x.dataType, x.shape)
  },
  plan: { (context) throws(ApusError) in
    let x = context.node.input(0)
    if x.shape.count == 0 { return }
    context.emit(CumSumStep(context, x), work: x.shape.count * 2)
  })

private final class CumSumStep: Step {
  let kernels: UnsafePointer<apus_kernels>
  let x: Slot
  let axis: Slot
  let y: Slot
  let shape: Shape
  let type: DataType
  let isWide: Bool
  let isExclusive: Bool
  let isReversed: Bool

  init(_ context: PlanContext, _ info: TensorInfo) {
    kernels = context.kernels
    x = context.input(0)
    axis = context.input(1)
    y = context.output(0)
    shape = info.shape
    type = info.dataType
    isWide = context.node.input(1).dataType == .int64
    isExclusive = context.node.int("exclusive", default: 0) != 0
    isReversed = context.node.int("reverse", default: 0) != 0
  }

  override func run(_ memory: Memory, _ share: Share) {
    let axis = clampedPosition(memory[axis], 0, isWide: isWide, length: shape.rank)
    let lines = AxisLines(shape, axis: axis)
    let x = UnsafeRawPointer(memory[x])
    let y = memory[y]
    let step = isReversed ? 0 &- lines.stride : lines.stride
    if type == .float32 && lines.stride > 1 {
      sumRows(memory.floats(self.x), memory.mutableFloats(self.y), lines, step, share)
      return
    }
    for line in share.part(of: lines.count, grain: 16) {
      var at = lines.start(line) &+ (isReversed ? (lines.length &- 1) &* lines.stride : 0)
      var real: Float = 0
      var integer = 0
      var i = 0
      while i < lines.length {
        if type == .float32 {
          let next = real + x.loadUnaligned(fromByteOffset: at &* 4, as: Float.self)
          y.storeBytes(of: isExclusive ? real : next, toByteOffset: at &* 4, as: Float.self)
          real = next
        } else {
          let next = integer &+ loadInteger(x, at, type)
          storeInteger(isExclusive ? integer : next, y, at, type)
          integer = next
        }
        at &+= step
        i &+= 1
      }
    }
  }

  /// Many neighbouring lines at once: each row of theirs is the one before plus a row of x.
  private func sumRows(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ lines: AxisLines, _ step: Int,
    _ share: Share
  ) {
    let part = share.part(of: lines.count, grain: 16)
    var line = part.lowerBound
    while line < part.upperBound {
      let n = min(lines.stride &- line % lines.stride, part.upperBound &- line)
      var at = lines.start(line) &+ (isReversed ? (lines.length &- 1) &* lines.stride : 0)
      for i in 0..<lines.length {
        let before = y + (at &- step)
        if i > 0 {
          let added = x + (isExclusive ? at &- step : at)
          kernels.pointee.binary(APUS_BINARY_ADD, before, 1, added, 1, y + at, n)
        } else if isExclusive {
          memset(y + at, 0, n &* 4)
        } else {
          memcpy(y + at, x + at, n &* 4)
        }
        at &+= step
      }
      line &+= n
    }
  }
}
