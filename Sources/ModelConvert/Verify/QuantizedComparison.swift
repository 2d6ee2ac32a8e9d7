/// Compares the tensors of a quantised model with those of one in floats, in the order in which the
/// layers run, so that each knows how good its inputs are.
struct QuantizedComparison {
  private let leastSqnr: Double
  /// Of the tensors so far; of a layer without a counterpart what its worst input has.
  private var found: [Int: (name: String, sqnr: Double)] = [:]
  /// Layers that nothing was found for, by their first output.
  private let between: [Capture.Layer]
  private var passed = 0

  init(_ matching: Matching, leastSqnr: Double) {
    self.leastSqnr = leastSqnr
    between = matching.unmatched
  }

  /// Whether the tensor is quantised and its reference is not.
  static func covers(_ pair: Matching.Pair) -> Bool {
    pair.tested.quantization != nil && pair.reference.quantization == nil
  }

  mutating func compare(_ pair: Matching.Pair) -> (TensorError, VerifyResult.Quantized?) {
    if let layer = pair.layer { skip(to: layer.index) }
    guard let quantization = pair.tested.quantization, QuantizedComparison.covers(pair) else {
      let error = TensorError(pair.tested.real, pair.reference.real)
      if pair.layer != nil { found[pair.tested.tensor] = (pair.name, error.sqnr) }
      return (error, nil)
    }
    let shape = pair.tested.shape
    // Products of matrices have their channels last.
    let isProduct = pair.layer?.operator == "QLinearMatMul"
    let axis = isProduct ? shape.count - 1 : shape.count > 1 ? 1 : -1
    let measures = QuantizedMeasures(
      pair.tested.values, quantization, reference: pair.reference.values, shape: shape, axis: axis)
    let worst = pair.layer.flatMap { worstInput($0) }
    let diagnosis = LayerDiagnosis(
      measures, worstInput: worst, weights: pair.layer?.weights, leastSqnr: leastSqnr)
    if pair.layer != nil { found[pair.tested.tensor] = (pair.name, measures.quality) }
    return (
      measures.error,
      VerifyResult.Quantized(
        scale: quantization.isPerTensor ? quantization.scales[0] : nil,
        zeroPoint: quantization.isPerTensor ? quantization.zeros[0] : nil,
        clippedShare: measures.clippedShare, rangeUsed: measures.rangeUsed,
        channelSqnrDb: finite(measures.channelSqnr),
        roundingSqnrDb: finite(measures.roundingSqnr),
        inputSqnrDb: worst.flatMap { finite($0.sqnr) }, channels: measures.channels,
        deadChannels: measures.deadChannels, bad: diagnosis.isBad, guilty: diagnosis.isGuilty,
        causes: diagnosis.causes)
    )
  }

  private func worstInput(_ layer: Capture.Layer) -> (name: String, sqnr: Double)? {
    layer.inputs.compactMap { found[$0] }.min { $0.sqnr < $1.sqnr }
  }

  /// Layers without a counterpart before layer `index` hand on what their inputs have.
  private mutating func skip(to index: Int) {
    while passed < between.count, between[passed].index < index {
      if let worst = worstInput(between[passed]) {
        for value in between[passed].outputs { found[value.tensor] = worst }
      }
      passed += 1
    }
  }
}
