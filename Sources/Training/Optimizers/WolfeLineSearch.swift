/// Finds how far to go along a direction: to where the strong Wolfe conditions hold,
///
///     φ(α) ≤ φ(0) + c₁ α φ′(0)      and      |φ′(α)| ≤ c₂ |φ′(0)|
///
/// with φ(α) the loss at the length α. J. Nocedal, S. J. Wright, "Numerical optimization", 2nd edition,
/// 2006, algorithms 3.5 (a bracket) and 3.6 (zoom), with the cubic interpolation (3.59).
///
/// Close to a minimum φ changes by less than its rounding errors, while φ′ still tells. There the
/// first condition is replaced by W. W. Hager and H. Zhang's ("A new conjugate gradient method with
/// guaranteed descent and an efficient line search", 2005, equations 4.1 and 4.3):
/// φ′(α) ≤ (2 c₁ − 1) φ′(0), for φ(α) ≤ φ(0) + ε |φ(0)|.
struct WolfeLineSearch {
  /// Of the sufficient decrease.
  var c1 = 1e-4
  /// Of the curvature: 0.9 for quasi-Newton directions, 0.1 for conjugate gradients.
  var c2 = 0.9
  /// ε: what float32 leaves uncertain of a mean of losses.
  var noise = 1e-7
  var maximumEvaluations = 25

  private typealias Trial = (length: Double, loss: Double, slope: Double)

  /// - Parameters:
  ///   - slope: φ′(0), which is negative.
  ///   - first: the first length that is tried.
  ///   - evaluate: φ(α) and φ′(α). Its last call is for the length returned.
  /// - Returns: nil where nothing lower was found.
  func length(
    loss: Double, slope: Double, first: Double,
    evaluate: (Double) throws -> (loss: Double, slope: Double)
  ) rethrows -> Double? {
    var evaluations = 0
    func trial(_ length: Double) throws -> Trial {
      evaluations += 1
      let (loss, slope) = try evaluate(length)
      return (length, loss, slope)
    }
    let tolerance = noise * abs(loss)
    func isLow(_ t: Trial) -> Bool {
      t.loss <= loss + c1 * t.length * slope
        || t.loss <= loss + tolerance && t.slope <= (2 * c1 - 1) * slope
    }
    func isFlat(_ t: Trial) -> Bool { abs(t.slope) <= -c2 * slope }

    // Algorithm 3.5: longer steps until one is too long.
    var low: Trial = (0, loss, slope)
    var high: Trial
    var next = first
    while true {
      let t = try trial(next)
      if !isLow(t) || low.length > 0 && t.loss > low.loss + tolerance {
        high = t
        break
      }
      if isFlat(t) { return t.length }
      if t.slope >= 0 {
        (low, high) = (t, low)
        break
      }
      guard evaluations < maximumEvaluations else { return t.length }
      next = min(max(WolfeLineSearch.minimum(low, t) ?? 2 * t.length, 1.5 * t.length), 10 * t.length)
      low = t
    }

    // Algorithm 3.6: the interval between the two has lengths that meet the conditions.
    while evaluations < maximumEvaluations {
      let width = abs(high.length - low.length)
      guard width > 1e-12 * max(low.length, high.length) else { break }
      let t = try trial(WolfeLineSearch.between(low, high))
      if !isLow(t) || t.loss > low.loss + tolerance {
        high = t
      } else {
        if isFlat(t) { return t.length }
        if t.slope * (high.length - low.length) >= 0 { high = low }
        low = t
      }
    }
    // The best seen has decreased enough, though it is not flat enough.
    guard low.length > 0, low.loss < loss else { return nil }
    _ = try evaluate(low.length)
    return low.length
  }

  /// The minimum of the cubic through both, where it is well inside; the middle elsewhere.
  private static func between(_ a: Trial, _ b: Trial) -> Double {
    let (left, right) = (min(a.length, b.length), max(a.length, b.length))
    let margin = 0.1 * (right - left)
    guard let m = minimum(a, b), m >= left + margin, m <= right - margin else {
      return (left + right) / 2
    }
    return m
  }

  /// Equation 3.59; nil where the cubic has no minimum.
  private static func minimum(_ a: Trial, _ b: Trial) -> Double? {
    guard a.loss.isFinite, b.loss.isFinite, a.slope.isFinite, b.slope.isFinite else { return nil }
    let d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.length - b.length)
    let square = d1 * d1 - a.slope * b.slope
    guard square >= 0 else { return nil }
    let d2 = (b.length > a.length ? 1.0 : -1.0) * square.squareRoot()
    let m =
      b.length - (b.length - a.length) * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2)
    return m.isFinite ? m : nil
  }
}
