import CKernels
import ModelFormat

// Reductions over axes: ONNX operators of the same names as of opset 18, in float32 and, as each
// says, in integers (IntegerReduction.swift). The axes are an input; none (or an empty list)
// means all axes, or with `noop_with_empty_axes` none: what comes before and after the reduction
// is then still done. An empty sum is 0, an empty product 1, an empty maximum −∞, an empty mean
// NaN. Error bounds of sums: CKernels.h.

private func reductionOperator(
  _ opcode: UInt16, _ name: StaticString, _ function: Int, after end: Int = -1,
  isMean: Bool = false, _ types: ElementTypes = .float32 + .wideIntegers,
  notes: StaticString = "float32, int32 and int64."
) -> Operator {
  Operator(
    opcode: opcode, name: name,
    attributes: [AttributeSpec("keepdims", .int), AttributeSpec("noop_with_empty_axes", .int)],
    inputs: 1...2, requiredInputs: 1, notes: notes,
    infer: { (context) throws(ApusError) in
      try context.requireTypes(0, types)
      let x = context.input(0).shape
      if !context.knowsValues(1...1) {
        return try context.setBoundedOutput(context.input(0).dataType, context.reducedBound())
      }
      let mask = try context.reducedAxes()
      let keeps = context.int("keepdims", default: 1) != 0
      var shape = Shape()
      for d in 0..<x.rank {
        if mask >> UInt(d) & 1 == 0 { shape.append(x[d]) } else if keeps { shape.append(1) }
      }
      try context.setOutput(context.input(0).dataType, shape)
    },
    plan: { (context) throws(ApusError) in
      let x = context.node.input(0).shape
      let layout = ReductionLayout(x, mask: try context.node.reducedAxes())
      let type = context.node.input(0).dataType
      if type != .float32 && end != APUS_UNARY_LOG {
        let step = IntegerReductionStep(
          function, isMean: isMean, isRoot: end == APUS_UNARY_SQRT, layout, type,
          context.input(0), context.output(0))
        context.emit(step, work: x.count * 3)
        return
      }
      // Logarithms of integers are computed in float32 and lose their fraction.
      var source = context.input(0)
      var target = context.output(0)
      if type != .float32 {
        source = context.scratch(byteCount: max(4, x.count * 4))
        target = context.scratch(byteCount: max(4, layout.outputCount * 4))
        context.emitCast(from: context.input(0), type, to: source, .float32, x.count)
      }
      var after = ReductionEnd(function: end)
      if isMean {
        after = ReductionEnd(function: APUS_UNARY_AFFINE, factor: 1 / Float(layout.reducedCount))
      }
      var greatest: Slot?
      if function == APUS_REDUCE_EXP_SUM {
        greatest = context.scratch(byteCount: max(1, layout.outputCount) * 4)
      }
      context.emit(
        ReductionStep(
          context.kernels, function, layout, after, source, target, greatest: greatest),
        work: x.count * (greatest == nil ? 1 : 10))
      if type != .float32 {
        context.emitCast(from: target, .float32, to: context.output(0), type, layout.outputCount)
      }
    })
}

extension NodeContext {
  /// Bit d is set where axis d is reduced.
  fileprivate func reducedAxes() throws(ApusError) -> UInt {
    let rank = input(0).shape.rank
    let axes = try constantInts(1) ?? []
    if axes.isEmpty {
      return int("noop_with_empty_axes", default: 0) != 0 ? 0 : (1 << UInt(rank)) - 1
    }
    var mask: UInt = 0
    for axis in axes {
      let bit = UInt(1) << UInt(try normalizedAxis(axis, rank: rank))
      try require(mask & bit == 0, .invalidModel, "axis \(axis) stands in axes twice")
      mask |= bit
    }
    return mask
  }
}

extension NodeContext {
  /// The largest shape for unknown axes, of which only the number is known.
  fileprivate func reducedBound() -> Shape {
    let x = input(0).shape
    let removed = input(1).shape.count
    if int("keepdims", default: 1) != 0 || input(1).isBound {
      // A reduced axis is of length 1, even an empty one.
      var shape = x
      for d in 0..<x.rank { shape[d] = max(1, x[d]) }
      return shape
    }
    if removed == 0 { return int("noop_with_empty_axes", default: 0) != 0 ? x : Shape() }
    var shape = Shape()
    for d in 0..<max(0, x.rank - removed) {
      // Dimension d is one of x's from d to d + removed.
      var longest = 0
      for i in d...d + removed { longest = max(longest, x[i]) }
      shape.append(longest)
    }
    return shape
  }
}

/// Σ x. ONNX ReduceSum.
let reduceSumOperator = reductionOperator(80, "ReduceSum", APUS_REDUCE_SUM)
/// The mean. ONNX ReduceMean.
let reduceMeanOperator = reductionOperator(81, "ReduceMean", APUS_REDUCE_SUM, isMean: true)
/// The greatest element, NaN where there is one. ONNX ReduceMax.
let reduceMaxOperator = reductionOperator(
  82, "ReduceMax", APUS_REDUCE_MAX, .numbers + .bool,
  notes: "float32, bool and any integer type.")
/// The smallest element, NaN where there is one. ONNX ReduceMin.
let reduceMinOperator = reductionOperator(
  83, "ReduceMin", APUS_REDUCE_MIN, .numbers + .bool,
  notes: "float32, bool and any integer type.")
/// Π x. ONNX ReduceProd.
let reduceProdOperator = reductionOperator(84, "ReduceProd", APUS_REDUCE_PROD)
/// Σ |x|. ONNX ReduceL1.
let reduceL1Operator = reductionOperator(85, "ReduceL1", APUS_REDUCE_ABS_SUM)
/// √Σ x². ONNX ReduceL2.
let reduceL2Operator = reductionOperator(
  86, "ReduceL2", APUS_REDUCE_SQUARE_SUM, after: APUS_UNARY_SQRT)
/// Σ x². ONNX ReduceSumSquare.
let reduceSumSquareOperator = reductionOperator(87, "ReduceSumSquare", APUS_REDUCE_SQUARE_SUM)
/// log Σ e^x, without overflow. ONNX ReduceLogSumExp.
let reduceLogSumExpOperator = reductionOperator(
  88, "ReduceLogSumExp", APUS_REDUCE_EXP_SUM, after: APUS_UNARY_LOG)
/// log Σ x. ONNX ReduceLogSum.
let reduceLogSumOperator = reductionOperator(
  89, "ReduceLogSum", APUS_REDUCE_SUM, after: APUS_UNARY_LOG)
