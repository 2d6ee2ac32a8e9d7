/// A support vector machine with a linear kernel:
///
///     minimise ½ |w|² + Σ Cᵢ max(0, 1 − yᵢ (w · xᵢ + b B))
///
/// by dual coordinate descent: C.-J. Hsieh, K.-W. Chang, C.-J. Lin, S. S. Keerthi, S. Sundararajan, "A
/// dual coordinate descent method for large-scale linear SVM", 2008, algorithm 1. The bias is the
/// weight of a feature that is always B, as in LIBLINEAR. The settings are those of R-CNN's code.
public struct LinearSVM: Sendable {
  /// C of the negative samples; the positive ones count `positiveWeight` times as much.
  public var cost: Float = 0.001
  public var positiveWeight: Float = 2
  /// B.
  public var biasFeature: Float = 10
  /// Ends when no projected gradient is further than this from another.
  public var tolerance: Float = 0.01
  public var mostPasses = 1_000

  public init() {}

  public struct Solution {
    /// w and b · B.
    public var weights: [Float]
    public var bias: Float
    /// α of each sample, from 0 to its C.
    public var multipliers: [Float]
  }

  public func cost(isPositive: Bool) -> Float { isPositive ? cost * positiveWeight : cost }

  /// - Parameters:
  ///   - x: numbers of all samples, one row behind the other.
  ///   - rows: which rows are the samples.
  ///   - isPositive: of each of these.
  public func fit(
    _ x: UnsafePointer<Float>, dimensions: Int, rows: [Int], isPositive: [Bool],
    random: inout SeededRandom
  ) -> Solution {
    var w = [Float](repeating: 0, count: dimensions)
    var bias: Float = 0
    var alpha = [Float](repeating: 0, count: rows.count)
    let squares = rows.map {
      Float.dot(dimensions, x + $0 * dimensions, x + $0 * dimensions) + biasFeature * biasFeature
    }
    for _ in 0..<mostPasses {
      var (lowest, highest) = (Float.infinity, -Float.infinity)
      for i in random.permutation(rows.count) {
        let own = x + rows[i] * dimensions
        let sign: Float = isPositive[i] ? 1 : -1
        let limit = cost(isPositive: isPositive[i])
        let gradient = sign * (Float.dot(dimensions, w, own) + bias * biasFeature) - 1
        let projected =
          alpha[i] == 0 ? min(gradient, 0) : alpha[i] == limit ? max(gradient, 0) : gradient
        lowest = min(lowest, projected)
        highest = max(highest, projected)
        if projected == 0 { continue }
        let new = min(max(alpha[i] - gradient / squares[i], 0), limit)
        let step = (new - alpha[i]) * sign
        alpha[i] = new
        Float.axpy(dimensions, step, own, &w)
        bias += step * biasFeature
      }
      if highest - lowest < tolerance { break }
    }
    return Solution(weights: w, bias: bias * biasFeature, multipliers: alpha)
  }
}
