/// Linear functions with small weights: minimise Σ |tᵢ − W xᵢ − b|² + λ |W|², by conjugate gradients on
/// the normal equations of centred samples (M. R. Hestenes, E. Stiefel 1952); b is not penalised.
public struct RidgeRegression: Sendable {
  /// λ.
  public var strength: Double
  /// Of a residual's norm, in parts of the right side's.
  public var tolerance = 1e-7
  public var mostSteps = 500

  public init(strength: Double) { self.strength = strength }

  /// - Parameters:
  ///   - x: [count, dimensions].
  ///   - targets: [count, outputs].
  /// - Returns: weights [outputs, dimensions] and biases [outputs].
  public func fit(
    _ x: [Float], _ targets: [Float], count: Int, dimensions: Int, outputs: Int
  ) -> (weights: [Double], biases: [Double]) {
    let (a, middle) = RidgeRegression.centred(x, count, dimensions)
    let (t, level) = RidgeRegression.centred(targets, count, outputs)
    var weights: [Double] = []
    var biases: [Double] = []
    for k in 0..<outputs {
      let w = solve(a, t.indices.filter { $0 % outputs == k }.map { t[$0] }, count, dimensions)
      weights += w
      biases.append(level[k] - Double.dot(dimensions, w, middle))
    }
    return (weights, biases)
  }

  private static func centred(_ x: [Float], _ count: Int, _ width: Int) -> ([Double], [Double]) {
    var mean = [Double](repeating: 0, count: width)
    for i in x.indices { mean[i % width] += Double(x[i]) / Double(count) }
    return (x.indices.map { Double(x[$0]) - mean[$0 % width] }, mean)
  }

  /// w of (AᵀA + λ) w = Aᵀ t.
  private func solve(_ a: [Double], _ t: [Double], _ n: Int, _ d: Int) -> [Double] {
    /// y = op(A) x.
    func times(_ isTransposed: Bool, _ x: [Double]) -> [Double] {
      var y = [Double](repeating: 0, count: isTransposed ? d : n)
      Double.gemm(
        isTransposed, false, isTransposed ? d : n, 1, isTransposed ? n : d, 1, a, d, x, 1, 0, &y, 1)
      return y
    }
    var w = [Double](repeating: 0, count: d)
    var residual = times(true, t)
    var direction = residual
    var square = Double.dot(d, residual, residual)
    let goal = square * tolerance * tolerance
    for _ in 0..<mostSteps where square > goal {
      var product = times(true, times(false, direction))
      Double.axpy(d, strength, direction, &product)
      let length = square / Double.dot(d, direction, product)
      Double.axpy(d, length, direction, &w)
      Double.axpy(d, -length, product, &residual)
      let next = Double.dot(d, residual, residual)
      for i in 0..<d { direction[i] = residual[i] + next / square * direction[i] }
      square = next
    }
    return w
  }
}
