/// Stochastic gradient descent: w ← w − η g.
///
/// H. Robbins, S. Monro, "A stochastic approximation method", 1951.
public struct SGD: UpdateRule {
  public init() {}

  public var name: String { "sgd" }
  public var slotCount: Int { 0 }

  public func update(
    _ parameter: Parameter, learningRate: Float, step: Int,
    slots: UnsafePointer<UnsafeMutablePointer<Float>>
  ) {
    let w = parameter.values.baseAddress!
    let g = parameter.gradient.baseAddress!
    for i in 0..<parameter.values.count { w[i] -= learningRate * g[i] }
  }
}
