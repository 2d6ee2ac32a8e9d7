import ModelFormat

// RNN, LSTM and GRU with weights of 8 bits. x_t, h_{t−1} and, of a GRU that resets before the matrix,
// r⊙h are rounded to uint8 as they are multiplied, each row (a batch entry in a time step) on its own,
// as DynamicQuantizeLinear does it:
//
//     scale = (max(x, 0) − min(x, 0)) / 255        zero point = round(clip(−min(x, 0) / scale, 0, 255))
//     q(x) = clip(round(x / scale) + zero point, 0, 255)
//
// Halves to even; where x is all zeros scale is 1. A product, in the place of W·x or R·h, then is
//
//     float(Σ (q(x) − zero point) · (w − w zero point)) · (scale · w scale)
//
// with an exact sum and float32 otherwise. Biases, gates, h and c are those of the float operator. So
// a row's bits depend on no other row, nor on how many steps a run has.
//
// Inputs: as the float operator's, but W [D, I, G·H] and R [D, H, G·H], int8 or uint8; behind the last
// of them W's scale, W's zero point, R's scale, R's zero point, [D] or [D, G·H] each. Weights, B, P and
// those must be constants. A zero point left out is 0.

/// As RNN, with weights of 8 bits. Inputs X, W, R, B, sequence_lens, initial_h, W_scale,
/// W_zero_point, R_scale, R_zero_point.
let dynamicQuantizeRNNOperator = Operator(
  opcode: 240, name: "DynamicQuantizeRNN", attributes: recurrentAttributes, inputs: 9...10,
  outputs: 1...2, requiredInputs: 3, notes: "As DynamicQuantizeLSTM; not in ONNX.",
  infer: inferRecurrent, plan: planRecurrent, multiplyAccumulates: recurrentMultiplyAccumulates)

/// As LSTM, with weights of 8 bits. ONNX Runtime's com.microsoft.DynamicQuantizeLSTM, which rounds
/// all of X at once and h of all batch entries.
let dynamicQuantizeLSTMOperator = Operator(
  opcode: 241, name: "DynamicQuantizeLSTM",
  attributes: recurrentAttributes + [AttributeSpec("input_forget", .int)], inputs: 11...12,
  outputs: 1...3, requiredInputs: 3,
  notes: "ONNX Runtime's, domain com.microsoft; each row has a scale of its own.",
  infer: inferRecurrent, plan: planRecurrent, multiplyAccumulates: recurrentMultiplyAccumulates)

/// As GRU, with weights of 8 bits. Inputs as DynamicQuantizeRNN's.
let dynamicQuantizeGRUOperator = Operator(
  opcode: 242, name: "DynamicQuantizeGRU",
  attributes: recurrentAttributes + [AttributeSpec("linear_before_reset", .int)], inputs: 9...10,
  outputs: 1...2, requiredInputs: 3, notes: "As DynamicQuantizeLSTM; not in ONNX.",
  infer: inferRecurrent, plan: planRecurrent, multiplyAccumulates: recurrentMultiplyAccumulates)
