// How to add the rule of an operator
//
// 1. Write a file Gradients/NAME.swift with a function
//
//        func nameRule<S: TrainingScalar>(_ call: NodeCall<S>) throws -> Passes
//
//    Read attributes (`call.node.int("axis", default: 0)`) and shapes (`call.input(0).shape`; the
//    operator's own shape rule has already accepted them and shaped the outputs) and take buffers
//    (`call.buffer(count)`) here, once. Return two closures over the tensors' pointers:
//      forward    writes the outputs' `data` (independently of the runtime's kernels: OpenBLAS and
//                 plain loops, so that each implementation checks the other);
//      backward   ADDS to the `gradient` of every input that has one (nil: nobody needs it) what the
//                 outputs' `gradient`s mean for it. It runs after `forward` on the same data, so it
//                 may use what forward left in outputs and buffers.
//    An output that is the input under another shape: `call.output(0).share(call.input(0))`, and
//    both closures are empty. Integer inputs are in `tensor.integers`. Long loops over independent
//    parts may use `TrainingThreads.parallel`, provided the result for a fixed number of threads is
//    always the same. Array-wide exp, tanh, sigmoid: `S.exp(n, x, y)`; scalars: `S.log(x)`.
// 2. Add one line below.
// 3. Give it cases in Tests/TrainingTests that change every attribute: each is compared with central
//    differences (below 1e-6 in double) and with the runtime (below 1e-5 in float).

/// The rule of every operator that can be trained through, by the operator's name.
public func gradientRules<S: TrainingScalar>() -> [String: GradientRule<S>] {
  var rules: [String: GradientRule<S>] = [:]
  rules["Gemm"] = clipped(gemmRule)
  rules["MatMul"] = matMulRule
  rules["Conv"] = clipped(convRule)
  rules["ConvTranspose"] = clipped(convTransposeRule)
  rules["MaxPool"] = maxPoolRule
  rules["AveragePool"] = averagePoolRule
  rules["GlobalAveragePool"] = globalAveragePoolRule
  rules["GlobalMaxPool"] = globalMaxPoolRule
  rules["MaxRoiPool"] = maxRoiPoolRule
  rules["RoiAlign"] = roiAlignRule
  rules["BatchNormalization"] = batchNormalizationRule
  rules["Dropout"] = dropoutRule
  rules["Add"] = addRule
  rules["Sub"] = subRule
  rules["Mul"] = mulRule
  rules["Div"] = divRule
  rules["Relu"] = reluRule
  rules["Tanh"] = tanhRule
  rules["Sigmoid"] = sigmoidRule
  rules["Softmax"] = softmaxRule
  rules["LeakyRelu"] = leakyReluRule
  rules["Elu"] = eluRule
  rules["Selu"] = seluRule
  rules["Celu"] = celuRule
  rules["ThresholdedRelu"] = thresholdedReluRule
  rules["HardSigmoid"] = hardSigmoidRule
  rules["HardSwish"] = hardSwishRule
  rules["Softplus"] = softplusRule
  rules["Softsign"] = softsignRule
  rules["Gelu"] = geluRule
  rules["Swish"] = swishRule
  rules["Mish"] = mishRule
  rules["Exp"] = expRule
  rules["Log"] = logRule
  rules["Sqrt"] = sqrtRule
  rules["Reciprocal"] = reciprocalRule
  rules["Abs"] = absRule
  rules["Neg"] = negRule
  rules["Sign"] = signRule
  rules["Floor"] = floorRule
  rules["Ceil"] = ceilRule
  rules["Round"] = roundRule
  rules["Erf"] = erfRule
  rules["Sin"] = sinRule
  rules["Cos"] = cosRule
  rules["Clip"] = clipRule
  rules["Pow"] = powRule
  rules["PRelu"] = preluRule
  rules["Sum"] = sumRule
  rules["Mean"] = meanRule
  rules["Min"] = minRule
  rules["Max"] = maxRule
  rules["LogSoftmax"] = logSoftmaxRule
  rules["ReduceSum"] = reduceSumRule
  rules["ReduceMean"] = reduceMeanRule
  rules["ReduceMax"] = reduceMaxRule
  rules["ReduceMin"] = reduceMinRule
  rules["ReduceProd"] = reduceProdRule
  rules["ReduceL1"] = reduceL1Rule
  rules["ReduceL2"] = reduceL2Rule
  rules["ReduceSumSquare"] = reduceSumSquareRule
  rules["ReduceLogSum"] = reduceLogSumRule
  rules["ReduceLogSumExp"] = reduceLogSumExpRule
  rules["LayerNormalization"] = layerNormalizationRule
  rules["RMSNormalization"] = rmsNormalizationRule
  rules["InstanceNormalization"] = instanceNormalizationRule
  rules["GroupNormalization"] = groupNormalizationRule
  rules["LRN"] = lrnRule
  rules["LocalContrastNormalization"] = localContrastNormalizationRule
  rules["Identity"] = viewRule
  rules["Reshape"] = viewRule
  rules["Flatten"] = viewRule
  rules["Squeeze"] = viewRule
  rules["Unsqueeze"] = viewRule
  rules["Transpose"] = transposeRule
  rules["Concat"] = concatRule
  rules["Split"] = splitRule
  rules["Gather"] = gatherRule
  rules["Pad"] = padRule
  rules["Slice"] = sliceRule
  rules["Expand"] = expandRule
  rules["Where"] = whereRule
  rules["Cast"] = castRule
  rules["RNN"] = rnnRule
  rules["LSTM"] = lstmRule
  rules["GRU"] = gruRule
  for (name, rule) in rules where !rulesForIntegers.contains(name) { rules[name] = real(rule) }
  return rules
}

/// The rules that also compute integers, which move with the data but have no gradient.
private let rulesForIntegers: Set = [
  "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Concat", "Split",
  "Gather", "Slice", "Expand", "Where", "Cast",
]

/// All other rules read and write `data`, which a tensor of integers does not have.
private func real<S: TrainingScalar>(_ rule: @escaping GradientRule<S>) -> GradientRule<S> {
  { call in
    guard call.output(0).isReal, call.input(0).isReal else {
      throw call.unsupported("integers here")
    }
    return try rule(call)
  }
}
