import Foundation

/// Adam, and AdamW where the decay λ is not 0:
///
///     w ← w − η λ w                              (AdamW; parameters that decay)
///     m ← β₁ m + (1 − β₁) g
///     v ← β₂ v + (1 − β₂) g²
///     w ← w − η / (1 − β₁ᵗ) · m / (√(v / (1 − β₂ᵗ)) + ε)
///
/// D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1;
/// I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", 2019, algorithm 2 (the decay
/// multiplied by the learning rate, as in PyTorch).
public struct Adam: UpdateRule {
  public var beta1: Float
  public var beta2: Float
  /// ε
  public var epsilon: Float
  /// λ
  public var weightDecay: Float
  private let isDecoupled: Bool

  public init(beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    weightDecay = 0
    isDecoupled = false
  }

  /// AdamW.
  public init(beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8, weightDecay: Float) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    isDecoupled = true
  }

  public var name: String { isDecoupled ? "adamw" : "adam" }
  public var slotCount: Int { 2 }

  public func update(
    _ parameter: Parameter, learningRate: Float, step: Int,
    slots: UnsafePointer<UnsafeMutablePointer<Float>>
  ) {
    let w = parameter.values.baseAddress!
    let g = parameter.gradient.baseAddress!
    let (m, v) = (slots[0], slots[1])
    let correction1 = 1 - pow(Double(beta1), Double(step))
    let correction2 = 1 - pow(Double(beta2), Double(step))
    let size = Float(Double(learningRate) / correction1)
    let root = Float(1 / correction2.squareRoot())
    let keep = parameter.decays ? 1 - learningRate * weightDecay : 1
    for i in 0..<parameter.values.count {
      m[i] = beta1 * m[i] + (1 - beta1) * g[i]
      v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i]
      w[i] = keep * w[i] - size * m[i] / (v[i].squareRoot() * root + epsilon)
    }
  }
}
