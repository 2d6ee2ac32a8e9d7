import ModelFormat

/// The recurrent layers, by their ONNX names.
public enum RecurrentCell: String, CaseIterable {
  case rnn = "RNN"
  case lstm = "LSTM"
  case gru = "GRU"

  /// Matrices below each other in W and R: one for each gate.
  public var gates: Int {
    switch self {
    case .rnn: 1
    case .lstm: 4
    case .gru: 3
    }
  }
}

extension GraphBuilder {
  /// A recurrent layer over x: [T, N, inputs]; its output is [T, N, hiddenSize] (twice as wide where
  /// it is bidirectional).
  ///
  /// - Parameters:
  ///   - keepsState: The layer goes on from run to run where it stopped: h (and c) are states of the
  ///     model. N must be fixed then, and the layer runs forward.
  ///   - lengths: int32 [N], of the sequences where they differ; behind its end a sequence's outputs
  ///     are 0.
  ///   - peepholes: LSTM: the gates see the cell (Gers and Schmidhuber 2000; Graves 2013, eq. 7-11).
  ///   - forgetBias: Starting value of the forget gate's bias (Jozefowicz et al. 2015: 1).
  public func recurrent(
    _ cell: RecurrentCell, _ x: Value, hiddenSize h: Int, bidirectional: Bool = false,
    keepsState: Bool = false, lengths: Value? = nil, peepholes: Bool = false,
    forgetBias: Float = 1, linearBeforeReset: Bool = true, name: String
  ) -> Value {
    guard !(keepsState && bidirectional) else {
      fail("\(name): a bidirectional layer cannot keep its state from run to run")
      return x
    }
    let layer = recurrentNode(
      cell, x, hiddenSize: h, bidirectional: bidirectional, keepsState: keepsState,
      lengths: lengths, peepholes: peepholes, forgetBias: forgetBias,
      linearBeforeReset: linearBeforeReset, name: name)
    for (state, next) in layer.states { update(state, to: next) }
    // [T, directions, N, h]
    return bidirectional
      ? reshape(transpose(layer.outputs[0]!, [0, 2, 1, 3]), [0, 0, 2 * h])
      : squeeze(layer.outputs[0]!, axes: [1])
  }

  /// What a recurrent layer makes of whole sequences: [N, hiddenSize], its h at each sequence's last
  /// step; behind it, where the layer is bidirectional, that of the way back at the first step.
  public func recurrentSummary(
    _ cell: RecurrentCell, _ x: Value, hiddenSize h: Int, bidirectional: Bool = false,
    lengths: Value? = nil, peepholes: Bool = false, forgetBias: Float = 1,
    linearBeforeReset: Bool = true, name: String
  ) -> Value {
    let layer = recurrentNode(
      cell, x, hiddenSize: h, bidirectional: bidirectional, lengths: lengths,
      peepholes: peepholes, forgetBias: forgetBias, linearBeforeReset: linearBeforeReset,
      isSummary: true, name: name)
    // [directions, N, h]
    return bidirectional
      ? reshape(transpose(layer.outputs[1]!, [1, 0, 2]), [0, 2 * h])
      : squeeze(layer.outputs[1]!, axes: [0])
  }

  private func recurrentNode(
    _ cell: RecurrentCell, _ x: Value, hiddenSize h: Int, bidirectional: Bool,
    keepsState: Bool = false, lengths: Value?, peepholes: Bool, forgetBias: Float,
    linearBeforeReset: Bool, isSummary: Bool = false, name: String
  ) -> (outputs: [Value?], states: [(Value, Value)]) {
    let inputs = known(x, 2, name)
    let batch = keepsState ? known(x, 1, name) : 1
    let directions = bidirectional ? 2 : 1
    let g = cell.gates
    let w = weight(
      name + ".input_weight", [directions, g * h, inputs], .glorot, fanIn: inputs, fanOut: h)
    let r = weight(
      name + ".recurrent_weight", [directions, g * h, h], .orthogonal(blocks: directions * g))
    let b = weight(name + ".bias", [directions, 2 * g * h], .zeros)
    if cell == .lstm && GraphBuilder.drawsWeights {
      // Gates in ONNX's order: input, output, forget, cell.
      var start = b.floats
      for d in 0..<directions {
        for i in 0..<h { start[d * 8 * h + 2 * h + i] = forgetBias }
      }
      b.floats = start
    }
    var attributes: [String: Attribute] = ["hidden_size": .int(h)]
    if bidirectional { attributes["direction"] = "bidirectional" }
    if cell == .gru { attributes["linear_before_reset"] = .int(linearBeforeReset ? 1 : 0) }
    var parameters: [Value?] = [x, w, r, b, lengths]
    var states: [Value] = []
    if keepsState {
      states = (cell == .lstm ? ["h", "c"] : ["h"]).map { state("\(name).\($0)", [1, batch, h]) }
      parameters += states
    }
    if peepholes {
      if cell != .lstm { fail("\(name): only LSTM has peepholes") }
      parameters += [Value?](repeating: nil, count: 7 - parameters.count)
      parameters.append(weight(name + ".peepholes", [directions, 3 * h], .zeros))
    }
    if parameters.count == 5 && lengths == nil { parameters.removeLast() }
    let outputs = nodes(
      cell.rawValue, name: name, parameters, attributes,
      outputs: isSummary ? 2 : 1 + states.count)
    return (outputs, Array(zip(states, outputs.dropFirst())))
  }

  public func lstm(
    _ x: Value, hiddenSize: Int, bidirectional: Bool = false, keepsState: Bool = false,
    name: String
  ) -> Value {
    recurrent(
      .lstm, x, hiddenSize: hiddenSize, bidirectional: bidirectional, keepsState: keepsState,
      name: name)
  }

  public func gru(
    _ x: Value, hiddenSize: Int, bidirectional: Bool = false, keepsState: Bool = false,
    name: String
  ) -> Value {
    recurrent(
      .gru, x, hiddenSize: hiddenSize, bidirectional: bidirectional, keepsState: keepsState,
      name: name)
  }

  public func rnn(
    _ x: Value, hiddenSize: Int, bidirectional: Bool = false, keepsState: Bool = false,
    name: String
  ) -> Value {
    recurrent(
      .rnn, x, hiddenSize: hiddenSize, bidirectional: bidirectional, keepsState: keepsState,
      name: name)
  }
}
