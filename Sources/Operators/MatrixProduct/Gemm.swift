import CKernels
import ModelFormat

/// Y = clip(alpha · A' · B' + beta · C), A' and B' being A and B or their transposes.
///
/// Inputs A' [M, K], B' [K, N], C (optional) of a shape that broadcasts to [M, N]. ONNX Gemm,
/// float32, int32 and int64 (IntegerMatrixProduct.swift). The clip is ours, for float32: a ReLU or
/// Clip that follows may be fused.
let gemmOperator = Operator(
  opcode: 17, name: "Gemm",
  attributes: [
    AttributeSpec("alpha", .float), AttributeSpec("beta", .float), AttributeSpec("transA", .int),
    AttributeSpec("transB", .int), AttributeSpec("activation_minimum", .float),
    AttributeSpec("activation_maximum", .float),
  ],
  inputs: 2...3,
  notes:
    "float32, int32 and int64. activation_minimum and activation_maximum clip a float32 result.",
  infer: { (context) throws(ApusError) in
    try context.requireSameType(.float32 + .wideIntegers)
    let (rows, columns, _) = try gemmSizes(context)
    if let c = context.optionalInput(2)?.shape {
      try context.require(
        c.rank <= 2 && (c.rank < 1 || c[last: 1] == 1 || c[last: 1] == columns)
          && (c.rank < 2 || c[0] == 1 || c[0] == rows),
        "input 2 is \(c) and does not broadcast to \(Shape(rows, columns))")
    }
    try context.setOutput(context.input(0).dataType, Shape(rows, columns))
  },
  plan: { (context) throws(ApusError) in
    let node = context.node
    let (rows, columns, depth) = try gemmSizes(node)
    if rows == 0 || columns == 0 { return }
    if node.input(0).dataType != .float32 {
      let step = IntegerMatrixStep(context, rows: rows, columns: columns, depth: depth)
      step.start = MatrixStart(node, rows: rows, columns: columns)
      step.c = context.optionalInput(2)
      step.alpha = node.float("alpha", default: 1)
      if node.int("transA", default: 0) != 0 { step.aStrides = (1, rows) }
      if node.int("transB", default: 0) != 0 { step.bStrides = (1, depth) }
      context.emit(step, work: rows * columns * depth * 2)
      return
    }
    let alpha = node.float("alpha", default: 1)
    let transposesA = node.int("transA", default: 0) != 0
    let transposesB = node.int("transB", default: 0) != 0
    var product = MatrixProduct(rows: rows, columns: columns, depth: depth, Activation(node))
    product.aRowStride = transposesA ? 1 : depth
    product.aColumnStride = transposesA ? rows : 1
    var b = context.input(1)
    if node.input(1).constant == nil && alpha == 1 && !transposesB {
      product.bRowStride = columns
    } else {
      b = context.packedMatrix(
        1, depth: depth, columns: columns, rowStride: transposesB ? 1 : columns,
        columnStride: transposesB ? depth : 1, scale: alpha)
    }
    context.emit(
      GemmStep(
        context.productKernels(1), product, MatrixStart(node, rows: rows, columns: columns),
        a: context.input(0), b: b, c: context.optionalInput(2), y: context.output(0)),
      multiplyAccumulates: rows * columns * depth, elements: columns * depth)
  },
  multiplyAccumulates: { $0.outputs[0].shape.count * gemmDepth($0) })

private func gemmDepth(_ node: NodeContext) -> Int {
  node.input(0).shape[node.int("transA", default: 0) != 0 ? 0 : 1]
}

private func gemmSizes(
  _ context: NodeContext
) throws(ApusError) -> (rows: Int, columns: Int, depth: Int) {
  try context.requireRank(0, 2...2)
  try context.requireRank(1, 2...2)
  let a = context.input(0).shape
  let b = context.input(1).shape
  let transposesA = context.int("transA", default: 0) != 0
  let transposesB = context.int("transB", default: 0) != 0
  let depth = a[transposesA ? 0 : 1]
  try context.require(
    depth == b[transposesB ? 1 : 0],
    "A is \(a), B is \(b): their inner dimensions differ")
  let sizes = Shape(a[transposesA ? 1 : 0], b[transposesB ? 0 : 1], depth)
  try context.require(sizes.checkedCount != nil, "a product of \(a) and \(b) is too large")
  return (sizes[0], sizes[1], depth)
}

/// What the elements of Y start from: beta · C, broadcast.
struct MatrixStart {
  /// C as it is, one number for each column: the kernel reads it itself.
  private(set) var isBias = false
  private(set) var beta: Float = 0
  /// Elements of C from one row of Y to the next, and from one column to the next.
  private(set) var rowStride = 0
  private(set) var columnStride = 0

  /// Nothing.
  init() {}

  init(_ node: NodeContext, rows: Int, columns: Int) {
    guard let c = node.optionalInput(2)?.shape else { return }
    beta = node.float("beta", default: 1)
    let width = c.rank > 0 ? c[last: 1] : 1
    columnStride = width == 1 ? 0 : 1
    rowStride = c.rank == 2 && c[0] != 1 ? width : 0
    isBias = beta == 1 && rowStride == 0 && width == columns
  }

  /// Writes it to rows `rows` and columns `columns` of Y.
  func fill(
    _ c: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ width: Int, _ rows: Range<Int>,
    _ columns: Range<Int>
  ) {
    var row = rows.lowerBound
    while row < rows.upperBound {
      let source = c + row * rowStride
      let target = y + row * width
      var column = columns.lowerBound
      while column < columns.upperBound {
        target[column] = beta * source[column * columnStride]
        column += 1
      }
      row += 1
    }
  }
}

private final class GemmStep: Step {
  private let kernels: UnsafePointer<apus_kernels>
  private let product: MatrixProduct
  private let start: MatrixStart
  private let a: Slot
  private let b: Slot
  private let c: Slot?
  private let y: Slot

  init(
    _ kernels: UnsafePointer<apus_kernels>, _ product: MatrixProduct, _ start: MatrixStart,
    a: Slot, b: Slot, c: Slot?, y: Slot
  ) {
    self.kernels = kernels
    self.product = product
    self.start = start
    self.a = a
    self.b = b
    self.c = c
    self.y = y
  }

  override func run(_ memory: Memory, _ share: Share) {
    let (rows, columns) = product.part(kernels, share)
    if rows.isEmpty || columns.isEmpty { return }
    let target = memory.mutableFloats(y)
    var bias: UnsafePointer<Float>? = nil
    if let c {
      if start.isBias {
        bias = memory.floats(c)
      } else {
        start.fill(memory.floats(c), target, product.columns, rows, columns)
      }
    }
    product.run(
      kernels, a: memory.floats(a), b: memory.floats(b), bias: bias,
      accumulates: c != nil && bias == nil, target, rows, columns)
  }
}
