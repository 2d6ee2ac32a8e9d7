import CKernels
import ModelFormat

/// Sums of products over named indices:
///
///     y[output indices] = Σ over all other indices of Π_i input_i[its indices]
///
/// The equation may have an ellipsis, which stands for dimensions that broadcast, and an index twice
/// in one input, which takes the diagonal. Products of two float32 tensors are matrix products,
/// those of more are computed two at a time; everything else is summed index by index, floats in
/// double precision. ONNX Einsum.
let einsumOperator = Operator(
  opcode: 202, name: "Einsum", attributes: [AttributeSpec("equation", .string)], inputs: 1...8,
  notes: "At most 8 inputs and 16 indices.",
  infer: { (context) throws(ApusError) in
    let type = context.input(0).dataType
    try context.requireNumbers(0)
    for i in 0..<context.inputs.count { try context.requireType(i, type) }
    try context.setOutput(type, try EinsumEquation(context).shape)
  },
  plan: { (context) throws(ApusError) in
    var equation = try EinsumEquation(context.node)
    let y = context.node.outputs[0]
    if y.shape.count == 0 { return }
    var slots: [Slot] = []
    for i in 0..<equation.operandCount { slots.append(context.input(i)) }
    while y.dataType == .float32, let (i, j) = equation.smallestPair() {
      let (pair, rest) = equation.split(i, j)
      let product = context.scratch(byteCount: pair.shape.count * 4)
      emit(context, pair, .float32, [slots[i], slots[j]], product)
      slots.remove(at: j)
      slots.remove(at: i)
      slots.append(product)
      equation = rest
    }
    emit(context, equation, y.dataType, slots, context.output(0))
  },
  multiplyAccumulates: einsumMultiplyAccumulates)

private func einsumMultiplyAccumulates(_ node: NodeContext) -> Int {
  do throws(ApusError) {
    return node.outputs[0].shape.count * (try EinsumEquation(node).sumCount)
  } catch { return 0 }
}

private func emit(
  _ context: PlanContext, _ equation: EinsumEquation, _ type: DataType, _ inputs: [Slot], _ y: Slot
) {
  if type == .float32, let product = EinsumProduct(equation) {
    product.emit(context, equation, inputs, y)
  } else {
    context.emit(
      EinsumStep(equation, type, inputs, y), work: equation.shape.count * equation.sumCount)
  }
}

/// Index by index.
private final class EinsumStep: Step {
  var inputs = InlineArray<8, Slot>(repeating: Slot(0))
  let y: Slot
  let equation: EinsumEquation
  let type: DataType
  let outputCount: Int
  /// The last label that is summed over is the inner loop, the others are the outer one.
  let outerCount: Int
  let innerCount: Int
  var steps = InlineArray<8, Int>(repeating: 0)

  init(_ equation: EinsumEquation, _ type: DataType, _ operands: [Slot], _ y: Slot) {
    for i in 0..<equation.operandCount { inputs[i] = operands[i] }
    self.y = y
    self.equation = equation
    self.type = type
    outputCount = equation.shape.count
    let last = equation.labelCount - 1
    innerCount = last >= equation.outputRank ? equation.counts[last] : 1
    outerCount = innerCount == 0 ? 0 : equation.sumCount / innerCount
    if last >= equation.outputRank {
      for i in 0..<equation.operandCount { steps[i] = equation.strides[i][last] }
    }
  }

  override func run(_ memory: Memory, _ share: Share) {
    for i in share.part(of: outputCount, grain: 16) {
      var offsets = InlineArray<8, Int>(repeating: 0)
      move(&offsets, i, 0, equation.outputRank)
      var real = 0.0
      var integer = 0
      for k in 0..<outerCount {
        var at = offsets
        move(&at, k, equation.outputRank, max(equation.outputRank, equation.labelCount &- 1))
        if type == .float32 {
          real += sumOfRow(memory, at)
        } else {
          for c in 0..<innerCount {
            var product = 1
            for o in 0..<equation.operandCount {
              product &*= loadInteger(memory[inputs[o]], at[o] &+ c &* steps[o], type)
            }
            integer = type == .bool ? integer | product : integer &+ product
          }
        }
      }
      if type == .float32 {
        memory.mutableFloats(y)[i] = Float(real)
      } else {
        storeInteger(integer, memory[y], i, type)
      }
    }
  }

  /// The sum over the inner label, each operand starting at its offset.
  private func sumOfRow(_ memory: Memory, _ at: InlineArray<8, Int>) -> Double {
    var sum = 0.0
    let a = memory.floats(inputs[0]) + at[0]
    let p = steps[0]
    if equation.operandCount == 1 {
      for c in 0..<innerCount { sum += Double(a[c &* p]) }
    } else if equation.operandCount == 2 {
      let b = memory.floats(inputs[1]) + at[1]
      let q = steps[1]
      for c in 0..<innerCount { sum += Double(a[c &* p]) * Double(b[c &* q]) }
    } else {
      for c in 0..<innerCount {
        var product = Double(a[c &* p])
        for o in 1..<equation.operandCount {
          product *= Double(memory.floats(inputs[o])[at[o] &+ c &* steps[o]])
        }
        sum += product
      }
    }
    return sum
  }

  /// Moves each operand to combination `index` of the labels from `first` to before `end`.
  @inline(__always)
  private func move(_ offsets: inout InlineArray<8, Int>, _ index: Int, _ first: Int, _ end: Int) {
    var rest = index
    var l = end &- 1
    while l >= first {
      let quotient = rest / equation.counts[l]
      let value = rest &- quotient &* equation.counts[l]
      for o in 0..<equation.operandCount { offsets[o] &+= value &* equation.strides[o][l] }
      rest = quotient
      l &-= 1
    }
  }
}

/// An equation of two tensors as matrix products: for each combination of the labels that both
/// inputs and the output have, those of one input and the output are the rows, those of the other
/// the columns, and those of both inputs alone are summed over.
private struct EinsumProduct {
  private var batch: [Int] = []
  private var rows: [Int] = []
  private var columns: [Int] = []
  private var depth: [Int] = []

  /// nil where it is something else.
  init?(_ equation: EinsumEquation) {
    if equation.operandCount != 2 || equation.sumCount == 0 { return nil }
    for l in 0..<equation.labelCount {
      // A label of length 1 has no strides; it stands with the batch, or is of no consequence.
      let inA = equation.strides[0][l] != 0
      let inB = equation.strides[1][l] != 0
      let isOutput = l < equation.outputRank
      if equation.counts[l] == 1 {
        if isOutput { batch.append(l) }
      } else if inA && inB {
        if isOutput { batch.append(l) } else { depth.append(l) }
      } else if !isOutput {
        return nil
      } else if inA {
        rows.append(l)
      } else {
        columns.append(l)
      }
    }
  }

  func emit(_ context: PlanContext, _ equation: EinsumEquation, _ inputs: [Slot], _ output: Slot) {
    let a = operand(context, equation, inputs[0], 0, batch + rows + depth)
    let b = operand(context, equation, inputs[1], 1, batch + depth + columns)
    let order = batch + rows + columns
    // Labels of length 1 may stand anywhere.
    var last = -1
    var isInOrder = true
    for l in order where equation.counts[l] != 1 {
      if l < last { isInOrder = false }
      last = l
    }
    let y =
      isInOrder ? output : context.scratch(byteCount: count(equation, order) * 4)
    let shapes = MatMulShapes(
      batch: count(equation, batch), rows: count(equation, rows),
      columns: count(equation, columns), depth: count(equation, depth))
    context.emit(
      MatMulStep(context.kernels, shapes, a: a, b: b, y: y),
      work: equation.shape.count * equation.sumCount)
    if isInOrder { return }
    let dense = denseStrides(equation.shape, elementSize: 4)
    var counts = Shape()
    var target: [Int] = []
    for l in order {
      counts.append(equation.counts[l])
      target.append(dense[l])
    }
    let copy = StridedCopy(
      elementSize: 4, counts: counts, sourceStrides: denseStrides(counts, elementSize: 4),
      targetStrides: target)
    context.emit(StridedCopyStep(copy, y, output), work: copy.byteCount / 4)
  }

  private func count(_ equation: EinsumEquation, _ labels: [Int]) -> Int {
    var n = 1
    for l in labels { n *= equation.counts[l] }
    return n
  }

  /// The input with its labels in this order, moved where they are in another.
  private func operand(
    _ context: PlanContext, _ equation: EinsumEquation, _ input: Slot, _ i: Int, _ labels: [Int]
  ) -> Slot {
    var counts = Shape()
    var source: [Int] = []
    for l in labels where equation.counts[l] != 1 {
      counts.append(equation.counts[l])
      source.append(equation.strides[i][l] * 4)
    }
    let copy = StridedCopy(
      elementSize: 4, counts: counts, sourceStrides: source,
      targetStrides: denseStrides(counts, elementSize: 4))
    if copy.isContiguous { return input }
    let slot = context.scratch(byteCount: copy.byteCount)
    context.emit(StridedCopyStep(copy, input, slot), work: copy.byteCount / 4)
    return slot
  }
}
