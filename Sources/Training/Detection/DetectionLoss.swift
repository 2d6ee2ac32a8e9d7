/// A detector's loss and what it is made of.
public struct DetectionLoss: Equatable, Sendable {
  /// Of places and sizes.
  public var boxes = 0.0
  /// Of whether there is an object.
  public var objectness = 0.0
  /// Of the classes. SSD's background is one of them.
  public var classes = 0.0

  public init() {}

  public var total: Double { boxes + objectness + classes }

  static func += (a: inout DetectionLoss, b: DetectionLoss) {
    a.boxes += b.boxes
    a.objectness += b.objectness
    a.classes += b.classes
  }
}

/// softmax(z) and the logarithm of one of its elements.
func softmax<S: TrainingScalar>(
  _ n: Int, _ z: UnsafePointer<S>, _ p: UnsafeMutablePointer<S>
) {
  var highest = z[0]
  for i in 1..<max(n, 1) where z[i] > highest { highest = z[i] }
  var total: S = 0
  for i in 0..<n {
    p[i] = S.exp(z[i] - highest)
    total += p[i]
  }
  for i in 0..<n { p[i] /= total }
}

/// −scale · log softmax(z)ₗ of a row z of y [rows, classes]; adds its derivative to y's gradient.
func softmaxLoss(_ y: Tensor<Float>, row: Int, label: Int, scale: Float) -> Double {
  let n = y.shape[1]
  return withUnsafeTemporaryAllocation(of: Float.self, capacity: n) { p in
    softmax(n, y.data + row * n, p.baseAddress!)
    if let gradient = y.gradient {
      for k in 0..<n { gradient[row * n + k] += scale * (p[k] - (k == label ? 1 : 0)) }
    }
    // Where a probability has vanished its logarithm is still a number.
    return -Double(scale * Float.log(max(p[label], 1e-30)))
  }
}

func logistic<S: TrainingScalar>(_ x: S) -> S {
  let e = S.exp(-abs(x))
  return x >= 0 ? 1 / (1 + e) : e / (1 + e)
}

/// −t log σ(x) − (1 − t) log(1 − σ(x)).
func logisticLoss<S: TrainingScalar>(_ x: S, _ t: S) -> S {
  max(x, 0) - x * t + S.log1p(S.exp(-abs(x)))
}
