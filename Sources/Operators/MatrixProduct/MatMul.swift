import CKernels
import ModelFormat

/// Y = A · B over the last two axes; the axes before them broadcast. An operand of rank 1 is a row
/// (A) or a column (B), and its axis goes from the result. NumPy's matmul; ONNX MatMul,
/// float32, int32 and int64.
let matMulOperator = Operator(
  opcode: 18, name: "MatMul", inputs: 2...2, notes: "float32, int32 and int64.",
  infer: { (context) throws(ApusError) in
    try context.requireSameType(.float32 + .wideIntegers)
    try context.setOutput(context.input(0).dataType, try MatMulShapes(context).output)
  },
  plan: { (context) throws(ApusError) in
    let node = context.node
    var shapes = try MatMulShapes(node)
    if node.outputs[0].shape.count == 0 { return }
    if node.input(0).dataType != .float32 {
      let step = IntegerMatrixStep(
        context, rows: shapes.rows, columns: shapes.columns, depth: shapes.depth)
      step.shapes = shapes
      context.emit(step, work: matMulMultiplyAccumulates(node) * 2)
      return
    }
    shapes.foldBatchIntoRows()
    var product = MatrixProduct(
      rows: shapes.rows, columns: shapes.columns, depth: shapes.depth, Activation.none)
    product.aRowStride = shapes.depth
    product.bRowStride = shapes.columns
    var a = context.input(0)
    var b = context.input(1)
    var kernels = context.kernels
    if shapes.isSingle && node.input(1).constant != nil {
      b = context.packedMatrix(
        1, depth: shapes.depth, columns: shapes.columns, rowStride: shapes.columns,
        columnStride: 1, scale: 1)
      kernels = context.productKernels(1)
      product.bRowStride = 0
    } else if shapes.isSingle && shapes.columns == 1 && node.input(0).constant != nil {
      // A matrix times a column is a row times the transposed matrix.
      product = MatrixProduct(
        rows: 1, columns: shapes.rows, depth: shapes.depth, Activation.none)
      product.aRowStride = shapes.depth
      b = context.packedMatrix(
        0, depth: shapes.depth, columns: shapes.rows, rowStride: 1, columnStride: shapes.depth,
        scale: 1)
      kernels = context.productKernels(0)
      a = context.input(1)
    }
    context.emit(
      MatMulStep(kernels, product, shapes, a: a, b: b, y: context.output(0)),
      multiplyAccumulates: matMulMultiplyAccumulates(node),
      elements: node.input(0).shape.count + node.input(1).shape.count)
  },
  multiplyAccumulates: matMulMultiplyAccumulates)

private func matMulMultiplyAccumulates(_ node: NodeContext) -> Int {
  node.outputs[0].shape.count * node.input(0).shape[last: 1]
}

extension Activation {
  /// Leaves everything as it is.
  static var none: Activation { Activation(minimum: -Float.infinity, maximum: Float.infinity) }

  private init(minimum: Float, maximum: Float) {
    self.minimum = minimum
    self.maximum = maximum
  }
}

/// The shapes of a MatMul: one matrix product for each combination of the batch axes.
struct MatMulShapes {
  private(set) var rows: Int
  let columns: Int
  let depth: Int
  private(set) var output = Shape()
  /// The batch axes of the result, and how far A and B move along each (0 where they broadcast).
  private(set) var batch = Shape()
  private(set) var aStrides = InlineArray<8, Int>(repeating: 0)
  private(set) var bStrides = InlineArray<8, Int>(repeating: 0)

  /// - Parameter second: the input that B is.
  init(_ context: NodeContext, b second: Int = 1) throws(ApusError) {
    let a = context.input(0).shape
    let b = context.input(second).shape
    try context.requireRank(0, 1...Shape.maximumRank)
    try context.requireRank(second, 1...Shape.maximumRank)
    rows = a.rank > 1 ? a[last: 2] : 1
    columns = b.rank > 1 ? b[last: 1] : 1
    depth = a[last: 1]
    try context.require(
      depth == b[last: b.rank > 1 ? 2 : 1],
      "A is \(a), B is \(b): their inner dimensions differ")
    let aBatch = max(0, a.rank - 2)
    let bBatch = max(0, b.rank - 2)
    let rank = max(aBatch, bBatch)
    for axis in 0..<rank {
      let i = axis - (rank - aBatch)
      let j = axis - (rank - bBatch)
      let m = i >= 0 ? a[i] : 1
      let n = j >= 0 ? b[j] : 1
      try context.require(
        m == n || m == 1 || n == 1, "A is \(a), B is \(b): their batch axes do not broadcast")
      batch.append(m == 1 ? n : m)
      aStrides[axis] = m == 1 ? 0 : a.product(i + 1, a.rank)
      bStrides[axis] = n == 1 ? 0 : b.product(j + 1, b.rank)
    }
    output = batch
    if a.rank > 1 { output.append(rows) }
    if b.rank > 1 { output.append(columns) }
    let (macs, overflow) = depth.multipliedReportingOverflow(by: max(1, output.checkedCount ?? 1))
    try context.require(
      output.checkedCount != nil && !overflow && macs >= 0,
      "a product of \(a) and \(b) is too large")
  }

  /// `batch` products of the same shape, the operands of each behind those of the one before.
  init(batch count: Int, rows: Int, columns: Int, depth: Int) {
    self.rows = rows
    self.columns = columns
    self.depth = depth
    if count == 1 { return }
    batch = Shape(count)
    aStrides[0] = rows * depth
    bStrides[0] = depth * columns
  }

  /// Whether there is one product only.
  var isSingle: Bool { batch.rank == 0 }

  /// A whole batch of A times one B is one product with more rows.
  mutating func foldBatchIntoRows() {
    var isOneB = true
    for axis in 0..<batch.rank where bStrides[axis] != 0 { isOneB = false }
    var expected = rows * depth
    for i in 0..<batch.rank {
      let axis = batch.rank - 1 - i
      if batch[axis] == 1 { continue }
      if aStrides[axis] != expected { return }
      expected *= batch[axis]
    }
    if isOneB {
      rows *= batch.count
      batch = Shape()
    }
  }

  /// Where product `i`'s operands start.
  func offsets(_ i: Int) -> (a: Int, b: Int) {
    var rest = i
    var a = 0
    var b = 0
    var axis = batch.rank - 1
    while axis >= 0 {
      let position = rest % batch[axis]
      rest /= batch[axis]
      a += position * aStrides[axis]
      b += position * bStrides[axis]
      axis -= 1
    }
    return (a, b)
  }
}

final class MatMulStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let product: MatrixProduct
  private let shapes: MatMulShapes
  private let products: Int
  private let a: Slot
  private let b: Slot
  private let y: Slot

  init(
    _ kernels: UnsafePointer<apus_kernels>, _ product: MatrixProduct, _ shapes: MatMulShapes,
    a: Slot, b: Slot, y: Slot
  ) {
    self.kernels = kernels
    self.product = product
    self.shapes = shapes
    products = shapes.batch.count
    self.a = a
    self.b = b
    self.y = y
  }

  /// Of dense operands.
  convenience init(
    _ kernels: UnsafePointer<apus_kernels>, _ shapes: MatMulShapes, a: Slot, b: Slot, y: Slot
  ) {
    var product = MatrixProduct(
      rows: shapes.rows, columns: shapes.columns, depth: shapes.depth, Activation.none)
    product.aRowStride = shapes.depth
    product.bRowStride = shapes.columns
    self.init(kernels, product, shapes, a: a, b: b, y: y)
  }

  override func run(_ memory: Memory, _ share: Share) {
    var first = 0
    var end = products
    var rows = 0..<product.rows
    var columns = 0..<product.columns
    if products >= share.count {
      let part = share.part(of: products)
      first = part.lowerBound
      end = part.upperBound
    } else {
      (rows, columns) = product.part(kernels, share)
    }
    if rows.isEmpty || columns.isEmpty { return }
    var i = first
    while i < end {
      let (aOffset, bOffset) = shapes.offsets(i)
      product.run(
        kernels, a: memory.floats(a) + aOffset, b: memory.floats(b) + bOffset, bias: nil,
        accumulates: false,
        memory.mutableFloats(y) + i * product.rows * product.columns, rows, columns)
      i += 1
    }
  }
}
