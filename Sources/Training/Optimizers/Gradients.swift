// What is done to gradients before an optimiser sees them.

/// L2 regularisation, the term λ/2 · Σ w² in the loss: g ← g + λ w, for parameters that decay.
public func addL2(_ parameters: [Parameter], strength: Float) {
  for parameter in parameters where parameter.decays {
    guard let w = parameter.values.baseAddress, let g = parameter.gradient.baseAddress else { continue }
    for i in 0..<parameter.values.count { g[i] += strength * w[i] }
  }
}

/// Clips each number of the gradients to ±limit.
public func clipByValue(_ parameters: [Parameter], limit: Float) {
  for parameter in parameters {
    guard let g = parameter.gradient.baseAddress else { continue }
    for i in 0..<parameter.gradient.count { g[i] = max(-limit, min(limit, g[i])) }
  }
}

/// Scales all gradients by limit / norm where their common Euclidean norm is beyond the limit
/// (R. Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of training recurrent neural networks",
/// 2013, algorithm 1).
///
/// - Returns: The norm before. Where it is not finite, nothing is scaled.
@discardableResult
public func clipByNorm(_ parameters: [Parameter], limit: Float) -> Double {
  var squares = 0.0
  for parameter in parameters {
    guard let g = parameter.gradient.baseAddress else { continue }
    for i in 0..<parameter.gradient.count { squares += Double(g[i]) * Double(g[i]) }
  }
  let norm = squares.squareRoot()
  if norm.isFinite, norm > Double(limit) {
    let factor = Float(Double(limit) / norm)
    for parameter in parameters {
      guard let g = parameter.gradient.baseAddress else { continue }
      for i in 0..<parameter.gradient.count { g[i] *= factor }
    }
  }
  return norm
}
