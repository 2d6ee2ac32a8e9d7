import CKernels
import ModelFormat

/// y = e^x / Σ e^x along an axis (the last, unless `axis` says otherwise). ONNX Softmax, float32.
let softmaxOperator = softmaxLikeOperator(75, "Softmax", isLogarithm: false)

/// y = x − log Σ e^x along an axis. ONNX LogSoftmax, float32.
let logSoftmaxOperator = softmaxLikeOperator(76, "LogSoftmax", isLogarithm: true)

private func softmaxLikeOperator(
  _ opcode: UInt16, _ name: StaticString, isLogarithm: Bool
) -> Operator {
  Operator(
    opcode: opcode, name: name, attributes: [AttributeSpec("axis", .int)], inputs: 1...1,
    infer: { (context) throws(ApusError) in
      try context.requireFloat32()
      let x = context.input(0).shape
      _ = try context.normalizedAxis(context.int("axis", default: -1), rank: x.rank)
      try context.setOutput(.float32, x)
    },
    plan: { (context) throws(ApusError) in
      context.allowInPlace(input: 0, output: 0)
      let x = context.node.input(0).shape
      let axis = try context.node.normalizedAxis(
        context.node.int("axis", default: -1), rank: x.rank)
      if x.count == 0 { return }
      context.emit(SoftmaxStep(context, x, axis, isLogarithm), work: x.count * 12)
    })
}

/// Softmax of [outer][length][inner] along the middle.
private final class SoftmaxStep: Step {
  let kernels: UnsafePointer<apus_kernels>
  let x: Slot
  let y: Slot
  let outer: Int
  let length: Int
  let inner: Int
  let isLogarithm: Bool

  init(_ context: PlanContext, _ shape: Shape, _ axis: Int, _ isLogarithm: Bool) {
    kernels = context.kernels
    x = context.input(0)
    y = context.output(0)
    outer = shape.product(0, axis)
    length = shape[axis]
    inner = shape.product(axis + 1, shape.rank)
    self.isLogarithm = isLogarithm
  }

  override func run(_ memory: Memory, _ share: Share) {
    let x = memory.floats(x)
    let y = memory.mutableFloats(y)
    if inner == 1 {
      for i in share.part(of: outer) {
        kernels.pointee.softmax_row(x + i &* length, y + i &* length, length, isLogarithm)
      }
      return
    }
    forEachColumnRun(share.part(of: outer &* inner, grain: 16), columns: inner) { block, column, n in
      let offset = block &* length &* inner &+ column
      kernels.pointee.softmax_columns(x + offset, y + offset, length, inner, n, isLogarithm)
    }
  }
}

/// Cuts a range of columns, counted through blocks of `columns`, into runs within one block:
/// body(block, first column, count).
@inline(__always)
func forEachColumnRun(_ range: Range<Int>, columns: Int, _ body: (Int, Int, Int) -> Void) {
  var position = range.lowerBound
  while position < range.upperBound {
    let block = position / columns
    let column = position &- block &* columns
    let n = min(columns &- column, range.upperBound &- position)
    body(block, column, n)
    position &+= n
  }
}
