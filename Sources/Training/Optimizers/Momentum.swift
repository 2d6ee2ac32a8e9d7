/// Gradient descent with momentum:
///
///     b ← μ b + g
///     w ← w − η b                    (Polyak)
///     w ← w − η (g + μ b)            (Nesterov)
///
/// B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964;
/// Nesterov's in the form of I. Sutskever et al., "On the importance of initialization and momentum
/// in deep learning", 2013, with the learning rate outside of b, as PyTorch has it.
public struct Momentum: UpdateRule {
  /// μ
  public var momentum: Float
  public var isNesterov: Bool

  public init(momentum: Float = 0.9, isNesterov: Bool = false) {
    self.momentum = momentum
    self.isNesterov = isNesterov
  }

  public var name: String { isNesterov ? "nesterov" : "momentum" }
  public var slotCount: Int { 1 }

  public func update(
    _ parameter: Parameter, learningRate: Float, step: Int,
    slots: UnsafePointer<UnsafeMutablePointer<Float>>
  ) {
    let w = parameter.values.baseAddress!
    let g = parameter.gradient.baseAddress!
    let b = slots[0]
    for i in 0..<parameter.values.count {
      let next = momentum * b[i] + g[i]
      b[i] = next
      w[i] -= learningRate * (isNesterov ? g[i] + momentum * next : next)
    }
  }
}
