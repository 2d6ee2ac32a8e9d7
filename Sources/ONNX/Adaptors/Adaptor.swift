/// Turns what an older operator set says, or what the runtime expresses otherwise, into what the
/// registry's operator of the name takes.
struct Adaptor {
  /// The first opset that needs no such help.
  let before: Int
  let adapt: (ImportNode) throws -> Void

  /// Needed by all operator sets.
  static let always = Int.max

  init(before opset: Int = Adaptor.always, _ adapt: @escaping (ImportNode) throws -> Void) {
    before = opset
    self.adapt = adapt
  }
}

/// By ONNX operator; those of one operator are applied in this order. What is not listed needs none.
let adaptors: [String: [Adaptor]] = {
  var table: [String: [Adaptor]] = [
    "BatchNormalization": [
      Adaptor(before: 7, legacyBatchNormalization), Adaptor(before: 9, spatial),
      Adaptor(batchNormalization),
    ],
    "Cast": [Adaptor(before: 6, legacyCast), Adaptor(cast)],
    "CastLike": [Adaptor(castLike)],
    "Clip": [Adaptor(before: 11, clipLimits)],
    "Concat": [Adaptor(before: 4, legacyConcat)],
    "Constant": [Adaptor(constant)],
    "ConstantOfShape": [Adaptor(constantOfShape)],
    "Dropout": [Adaptor(before: 12, oldDropout), Adaptor(dropout)],
    "Gemm": [Adaptor(before: 7, legacyGemm)],
    "GridSample": [Adaptor(before: 20, gridSampleMode)],
    "GroupNormalization": [Adaptor(before: 21, groupParameters)],
    "Identity": [Adaptor(identity)],
    "If": [Adaptor(ifBranches)],
    "Loop": [Adaptor(loopBody)],
    "Pad": [Adaptor(before: 2, legacyPad), Adaptor(before: 11, padAmounts)],
    "PRelu": [Adaptor(before: 7, legacyPRelu)],
    "QLinearAveragePool": [Adaptor(channelsFirst)],
    "QLinearGlobalAveragePool": [Adaptor(channelsFirst)],
    "QLinearLeakyRelu": [Adaptor(quantizedFunction)],
    "QLinearSigmoid": [Adaptor(quantizedFunction)],
    "Reshape": [Adaptor(before: 5, legacyReshape)],
    "Resize": [Adaptor(before: 11, oldResize), Adaptor(resizeInputs)],
    "RoiAlign": [Adaptor(before: 16, roiAlignCoordinates)],
    "Scan": [Adaptor(before: 9, batchedScan), Adaptor(scanBody)],
    "Scatter": [Adaptor(scatter)],
    "Shape": [Adaptor(shapeOfFixed)],
    "Size": [Adaptor(sizeOfFixed)],
    "Slice": [Adaptor(before: 10, sliceBounds)],
    "Split": [Adaptor(before: 13, splitLengths), Adaptor(before: 18, splitEqually)],
    "Squeeze": [Adaptor(before: 13, axes)],
    "TopK": [Adaptor(before: 10, topK)],
    "Unsqueeze": [Adaptor(before: 13, axes)],
    "Upsample": [Adaptor(before: 9, upsampleScales), Adaptor(upsample)],
    "ReduceSum": [Adaptor(before: 13, axes)],
  ]
  for (op, adapt) in sequenceOperators { table[op] = [Adaptor(adapt)] }
  for op in [
    "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
    "ReduceLogSumExp", "ReduceSumSquare",
  ] { table[op] = [Adaptor(before: 18, axes)] }
  for op in ["Softmax", "LogSoftmax", "Hardmax"] {
    table[op] = [Adaptor(before: 13, coercedSoftmax)]
  }
  for op in [
    "Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less",
  ] { table[op] = [Adaptor(before: 7, legacyBroadcast)] }
  return table
}()
