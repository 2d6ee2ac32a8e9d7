import CKernels
import ModelFormat

// RNN, LSTM and GRU as ONNX defines them (formulas in Sources/Kernels/Common: RNNStep, LSTMStep,
// GRUStep). With T = 1, initial_h fed from a state tensor and Y_h the state's next value, a layer
// runs one step for each run of the session.

/// H_t = f(W·x_t + R·H_{t−1} + Wb + Rb). ONNX RNN, float32.
let rnnOperator = Operator(
  opcode: 130, name: "RNN", attributes: recurrentAttributes, inputs: 3...6,
  outputs: 1...2, notes: "The activations are one string, separated by commas.",
  infer: inferRecurrent, plan: planRecurrent, multiplyAccumulates: recurrentMultiplyAccumulates)

/// Gates i, o, f and cell c, with peepholes where input P is there. ONNX LSTM, float32.
let lstmOperator = Operator(
  opcode: 131, name: "LSTM",
  attributes: recurrentAttributes + [AttributeSpec("input_forget", .int)], inputs: 3...8,
  outputs: 1...3, notes: "The activations are one string, separated by commas.",
  infer: inferRecurrent, plan: planRecurrent, multiplyAccumulates: recurrentMultiplyAccumulates)

/// Gates z and r, reset before the matrix or, with `linear_before_reset`, behind it. ONNX GRU,
/// float32.
let gruOperator = Operator(
  opcode: 132, name: "GRU",
  attributes: recurrentAttributes + [AttributeSpec("linear_before_reset", .int)], inputs: 3...6,
  outputs: 1...2, notes: "The activations are one string, separated by commas.",
  infer: inferRecurrent, plan: planRecurrent, multiplyAccumulates: recurrentMultiplyAccumulates)

let recurrentAttributes = [
  AttributeSpec("direction", .string), AttributeSpec("hidden_size", .int),
  AttributeSpec("layout", .int), AttributeSpec("activations", .string),
  AttributeSpec("activation_alpha", .floats), AttributeSpec("activation_beta", .floats),
  AttributeSpec("clip", .float),
]

func inferRecurrent(_ context: NodeContext) throws(ApusError) {
  try RecurrentNode(context).setOutputs(context)
}

/// Multiply-accumulates of a node that `infer` has accepted.
func recurrentMultiplyAccumulates(_ context: NodeContext) -> Int {
  do throws(ApusError) {
    return try RecurrentNode(context).multiplyAccumulates
  } catch {
    return 0
  }
}

func planRecurrent(_ context: PlanContext) throws(ApusError) {
  let node = try RecurrentNode(context.node)
  let (kind, isInteger) = (node.kind, node.isInteger)
  if isInteger { try node.checkConstants(context.node) }
  let peepholes = kind == .lstm ? context.optionalInput(7) : nil
  let bias = context.optionalInput(3)
  let isConstant = isInteger || hasConstantWeights(context.node)
  let kernels = isConstant && !isInteger ? context.matrixKernels : context.kernels
  let weights = RecurrentWeights(node, kernels, hasPeepholes: peepholes != nil)
  let slots = RecurrentSlots(
    x: context.input(0), lengths: context.optionalInput(4), initialH: context.optionalInput(5),
    initialC: kind == .lstm ? context.optionalInput(6) : nil, y: context.optionalOutput(0),
    yh: context.optionalOutput(1), yc: kind == .lstm ? context.optionalOutput(2) : nil,
    packed: planWeights(weights, context, bias, peepholes, isConstant: isConstant), scratch: nil,
    integers: nil)
  let step = RecurrentStep(node, kernels, weights, slots, threads: context.threads) {
    floats in context.scratch(byteCount: floats * 4)
  }
  if slots.initialH != nil, slots.yh != nil, step.mayWriteOverInitialH {
    context.allowInPlace(input: 5, output: 1)
  }
  if slots.initialC != nil, slots.yc != nil { context.allowInPlace(input: 6, output: 2) }
  // Four products of integers at once.
  let work = isInteger ? node.multiplyAccumulates / 4 : node.multiplyAccumulates
  context.emit(step, work: work, shares: step.mostShares)
  if isConstant { context.recurrentLayer = step }
}

/// Whether W, R and, where they are there, B and the peepholes are constants.
private func hasConstantWeights(_ node: NodeContext) -> Bool {
  for i in [1, 2, 3, 7] where node.hasInput(i) && node.input(i).constant == nil { return false }
  return true
}

/// The slot of the packed weights: packed once for the model where all are constants.
private func planWeights(
  _ weights: RecurrentWeights, _ context: PlanContext, _ bias: Slot?, _ peepholes: Slot?,
  isConstant: Bool
) -> Slot {
  let node = context.node
  func constant(_ i: Int) -> UnsafePointer<Float>? {
    node.optionalInput(i)?.constant?.assumingMemoryBound(to: Float.self)
  }
  if isConstant {
    return context.packedWeights(tag: weights.tag, byteCount: weights.byteCount) { target in
      guard let w = constant(1), let r = constant(2) else { return }
      weights.pack(
        w, r, constant(3), weights.hasPeepholes ? constant(7) : nil,
        integersOf: weights.isInteger ? node : nil,
        into: target.assumingMemoryBound(to: Float.self))
    }
  }
  let packed = context.scratch(byteCount: weights.byteCount)
  context.emit(
    RecurrentPackStep(weights, context.input(1), context.input(2), bias, peepholes, packed),
    work: 1)
  return packed
}
