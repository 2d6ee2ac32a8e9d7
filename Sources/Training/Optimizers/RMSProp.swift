/// RMSProp:
///
///     v ← α v + (1 − α) g²
///     d = g / (√v + ε)
///     w ← w − η d                    (μ = 0)
///     b ← μ b + d,  w ← w − η b      (μ > 0)
///
/// T. Tieleman, G. Hinton, "Lecture 6.5: RMSProp", Neural Networks for Machine Learning, 2012; ε
/// outside of the root and the momentum as in PyTorch.
public struct RMSProp: UpdateRule {
  /// α
  public var decay: Float
  /// μ
  public var momentum: Float
  /// ε
  public var epsilon: Float

  public init(decay: Float = 0.99, momentum: Float = 0, epsilon: Float = 1e-8) {
    self.decay = decay
    self.momentum = momentum
    self.epsilon = epsilon
  }

  public var name: String { "rmsprop" }
  public var slotCount: Int { momentum > 0 ? 2 : 1 }

  public func update(
    _ parameter: Parameter, learningRate: Float, step: Int,
    slots: UnsafePointer<UnsafeMutablePointer<Float>>
  ) {
    let w = parameter.values.baseAddress!
    let g = parameter.gradient.baseAddress!
    let v = slots[0]
    let count = parameter.values.count
    if momentum > 0 {
      let b = slots[1]
      for i in 0..<count {
        v[i] = decay * v[i] + (1 - decay) * g[i] * g[i]
        b[i] = momentum * b[i] + g[i] / (v[i].squareRoot() + epsilon)
        w[i] -= learningRate * b[i]
      }
    } else {
      for i in 0..<count {
        v[i] = decay * v[i] + (1 - decay) * g[i] * g[i]
        w[i] -= learningRate * g[i] / (v[i].squareRoot() + epsilon)
      }
    }
  }
}
