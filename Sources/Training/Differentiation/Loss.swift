import Graph

/// What training makes small. Each is a mean, so that it does not depend on the batch's size, and is
/// computed from the network's last output: for the cross-entropies that is logits, not
/// probabilities.
public enum Loss: String, CaseIterable, Sendable {
  /// Σ (y − t)² / n over all n elements.
  case mse
  /// Σ |y − t| / n.
  case l1
  /// −log softmax(y)[class], mean over rows: y [rows…, classes]. A sequence's steps are rows:
  /// y [T, N, classes] with T·N classes.
  case crossEntropy = "cross-entropy"
  /// Σ max(y, 0) − y t + log(1 + exp(−|y|)) over n elements, t in [0, 1]: −t log σ(y) −
  /// (1 − t) log(1 − σ(y)) without overflow.
  case binaryCrossEntropy = "binary-cross-entropy"
  /// Σ max(0, −(2 t − 1) y) / n, t 0 or 1: by how much y has the wrong sign. Sample by sample with a
  /// learning rate of 1 it makes the updates of F. Rosenblatt, "The perceptron", 1958.
  case perceptron
  /// Σ max(0, 1 − (2 t − 1) y) / n, t 0 or 1: a support vector machine's (C. Cortes, V. Vapnik,
  /// "Support-vector networks", 1995), with l2 as its margin.
  case hinge

  /// Whether targets are classes rather than numbers.
  public var usesClasses: Bool { self == .crossEntropy }

  /// Whether an output is right or wrong: the largest one of classes, the sign of a yes or no.
  public var countsHits: Bool { self != .mse && self != .l1 }

  /// The operator that makes probabilities of what the loss compares, which it has in itself; nil:
  /// none does.
  var probabilityOperator: String? {
    switch self {
    case .crossEntropy: "Softmax"
    case .binaryCrossEntropy: "Sigmoid"
    case .mse, .l1, .perceptron, .hinge: nil
    }
  }
}

/// What a loss compares the output with.
public struct LossTargets {
  public var values: UnsafePointer<Float>?
  public var classes: UnsafePointer<Int32>?
  /// One for each row (cross-entropy) or element: 0 leaves it out; nil: all count. For sequences of
  /// different lengths.
  public var mask: UnsafePointer<Float>?

  public init(
    values: UnsafePointer<Float>? = nil, classes: UnsafePointer<Int32>? = nil,
    mask: UnsafePointer<Float>? = nil
  ) {
    self.values = values
    self.classes = classes
    self.mask = mask
  }
}

extension Loss {
  /// The loss, and how many rows (or elements) it is the mean of. Adds its derivative to the
  /// output's gradient where there is one.
  public func evaluate<S: TrainingScalar>(
    _ y: Tensor<S>, _ targets: LossTargets
  ) -> (loss: Double, count: Double, hits: Int) {
    if self == .crossEntropy {
      return Loss.crossEntropy(y, targets)
    }
    guard let t = targets.values else { return (0, 0, 0) }
    var weight = Double(y.count)
    if let mask = targets.mask {
      weight = 0
      for i in 0..<y.count { weight += Double(mask[i]) }
    }
    if weight == 0 { return (0, 0, 0) }
    let scale = S(1 / weight)
    let gradient = y.gradient
    var sum = 0.0
    var hits = 0
    for i in 0..<y.count {
      let m = targets.mask.map { S($0[i]) } ?? 1
      if countsHits, m != 0, (y.data[i] > 0) == (t[i] > 0.5) { hits += 1 }
      let (value, slope) = term(y.data[i], S(t[i]))
      sum += Double(m * value)
      gradient?[i] += m * slope * scale
    }
    return (sum / weight, weight, hits)
  }

  /// One element's loss and its derivative.
  @inline(__always) private func term<S: TrainingScalar>(_ y: S, _ t: S) -> (S, S) {
    switch self {
    case .mse: return ((y - t) * (y - t), 2 * (y - t))
    case .l1: return (abs(y - t), y > t ? 1 : y < t ? -1 : 0)
    case .perceptron, .hinge:
      let sign = 2 * t - 1
      let short = (self == .hinge ? 1 : 0) - sign * y
      // At 0 a perceptron says nothing yet, and learns.
      return short >= 0 ? (short, -sign) : (0, 0)
    case .binaryCrossEntropy, .crossEntropy:
      let e = S.exp(-abs(y))
      let sigmoid = y >= 0 ? 1 / (1 + e) : e / (1 + e)
      return (max(y, 0) - y * t + S.log1p(e), sigmoid - t)
    }
  }

  private static func crossEntropy<S: TrainingScalar>(
    _ y: Tensor<S>, _ targets: LossTargets
  ) -> (loss: Double, count: Double, hits: Int) {
    guard let classes = targets.classes, let n = y.shape.last, n > 0 else { return (0, 0, 0) }
    let rows = y.count / n
    var weight = Double(rows)
    if let mask = targets.mask {
      weight = 0
      for i in 0..<rows { weight += Double(mask[i]) }
    }
    if weight == 0 { return (0, 0, 0) }
    let work = UnsafeMutablePointer<S>.allocate(capacity: n)
    defer { work.deallocate() }
    var sum = 0.0
    var hits = 0
    for row in 0..<rows {
      let m = targets.mask.map { S($0[row]) } ?? 1
      if m == 0 { continue }
      let z = y.data + row * n
      let best = indexOfGreatest(z, n)
      let highest = z[best]
      for i in 0..<n { work[i] = z[i] - highest }
      S.exp(n, work, work)
      var total: S = 0
      for i in 0..<n { total += work[i] }
      let target = Int(classes[row])
      if best == target { hits += 1 }
      sum += Double(m * (S.log(total) + highest - z[target]))
      if let gradient = y.gradient {
        let g = gradient + row * n
        let factor = m * S(1 / weight) / total
        for i in 0..<n { g[i] += factor * work[i] }
        g[target] -= m * S(1 / weight)
      }
    }
    return (sum / weight, weight, hits)
  }
}

/// The first of the greatest of n numbers.
func indexOfGreatest<S: Comparable>(_ x: UnsafePointer<S>, _ n: Int) -> Int {
  var best = 0
  for i in 1..<max(n, 1) where x[i] > x[best] { best = i }
  return best
}
