import Foundation

/// Connectionist temporal classification: the loss of a sequence of labels that are not aligned with
/// the steps. Each step says one of the labels, or a blank; what steps say becomes labels by dropping
/// repetitions and then blanks, and the loss is −log of the probability of all ways to say the labels.
///
///     l′ = blank l₁ blank l₂ … blank
///     α₁(1) = log y₁(blank),  α₁(2) = log y₁(l₁)
///     αₜ(s) = log yₜ(l′ₛ) + log(e^αₜ₋₁(s) + e^αₜ₋₁(s−1) [+ e^αₜ₋₁(s−2), l′ₛ ∉ {blank, l′ₛ₋₂}])
///     ∂/∂zₜ(k) = yₜ(k) − Σ_{s: l′ₛ = k} e^(αₜ(s) + βₜ(s) − log p)
///
/// with β the same from the end, without step t's own y. A. Graves, S. Fernández, F. Gomez,
/// J. Schmidhuber, "Connectionist temporal classification", 2006, sections 4.1 and 4.2, here in
/// logarithms and by the logits z, y = softmax(z).
public struct CTCLoss {
  public var blank: Int

  public init(blank: Int = 0) { self.blank = blank }

  /// The loss of each sequence of a batch; infinite where a sequence has too few steps for its labels,
  /// whose gradient is left as it is.
  ///
  /// O(T L) for T steps and L labels, beside the softmax; in float64 whatever `S` is.
  ///
  /// - Parameters:
  ///   - logits: [steps, labels.count, classes]
  ///   - labels: of each sequence, without blanks
  ///   - lengths: steps of each sequence; nil: all
  ///   - gradient: like `logits`; `scale` times the derivative of the sum of losses is added
  public func evaluate<S: TrainingScalar>(
    _ logits: UnsafePointer<S>, steps: Int, classes: Int, labels: [[Int]], lengths: [Int]? = nil,
    gradient: UnsafeMutablePointer<S>? = nil, scale: Double = 1
  ) -> [Double] {
    let stride = labels.count * classes
    return labels.indices.map { n in
      let length = lengths?[n] ?? steps
      precondition(length >= 0 && length <= steps, "a sequence has more steps than the batch")
      let y = CTCLoss.logSoftmax(logits + n * classes, steps: length, classes, stride: stride)
      let path = extended(labels[n], classes)
      let alpha = forward(y, path, length, classes)
      let end = path.count - 1
      let last = (length - 1) * path.count
      let log =
        length == 0
        ? (labels[n].isEmpty ? 0 : -.infinity)
        : logSum(alpha[last + end], end > 0 ? alpha[last + end - 1] : -.infinity)
      if let gradient, length > 0, log > -.infinity {
        let beta = backward(y, path, length, classes)
        for t in 0..<length {
          let g = gradient + t * stride + n * classes
          for k in 0..<classes { g[k] += S(scale * exp(y[t * classes + k])) }
          for (s, k) in path.enumerated() {
            let share = alpha[t * path.count + s] + beta[t * path.count + s] - log
            if share > -.infinity { g[k] -= S(scale * exp(share)) }
          }
        }
      }
      return -log
    }
  }

  /// blank l₁ blank l₂ … blank
  private func extended(_ labels: [Int], _ classes: Int) -> [Int] {
    precondition(blank >= 0 && blank < classes)
    var path = [blank]
    for label in labels {
      precondition(label >= 0 && label < classes && label != blank, "no label: \(label)")
      path += [label, blank]
    }
    return path
  }

  /// Whether a step may follow on two places before, leaving a blank out.
  private func skips(_ path: [Int], _ s: Int) -> Bool {
    s >= 2 && path[s] != blank && path[s] != path[s - 2]
  }

  private func forward(_ y: [Double], _ path: [Int], _ steps: Int, _ classes: Int) -> [Double] {
    let count = path.count
    var alpha = [Double](repeating: -.infinity, count: max(steps, 1) * count)
    guard steps > 0 else { return alpha }
    for s in 0..<min(2, count) { alpha[s] = y[path[s]] }
    for t in 1..<max(steps, 1) {
      for s in 0..<count {
        var sum = alpha[(t - 1) * count + s]
        if s >= 1 { sum = logSum(sum, alpha[(t - 1) * count + s - 1]) }
        if skips(path, s) { sum = logSum(sum, alpha[(t - 1) * count + s - 2]) }
        alpha[t * count + s] = sum + y[t * classes + path[s]]
      }
    }
    return alpha
  }

  /// log of the probability of all ways to go on to the end after step t.
  private func backward(_ y: [Double], _ path: [Int], _ steps: Int, _ classes: Int) -> [Double] {
    let count = path.count
    var beta = [Double](repeating: -.infinity, count: steps * count)
    for s in max(0, count - 2)..<count { beta[(steps - 1) * count + s] = 0 }
    for t in (0..<steps - 1).reversed() {
      func next(_ s: Int) -> Double { beta[(t + 1) * count + s] + y[(t + 1) * classes + path[s]] }
      for s in 0..<count {
        var sum = next(s)
        if s + 1 < count { sum = logSum(sum, next(s + 1)) }
        if s + 2 < count, skips(path, s + 2) { sum = logSum(sum, next(s + 2)) }
        beta[t * count + s] = sum
      }
    }
    return beta
  }

  /// log softmax of rows that lie `stride` apart.
  static func logSoftmax<S: TrainingScalar>(
    _ z: UnsafePointer<S>, steps: Int, _ classes: Int, stride: Int
  ) -> [Double] {
    var y = [Double](repeating: 0, count: steps * classes)
    for t in 0..<steps {
      let row = z + t * stride
      var highest = -Double.infinity
      for k in 0..<classes { highest = max(highest, Double(row[k])) }
      var sum = 0.0
      for k in 0..<classes { sum += exp(Double(row[k]) - highest) }
      let log = highest + Foundation.log(sum)
      for k in 0..<classes { y[t * classes + k] = Double(row[k]) - log }
    }
    return y
  }
}

/// log(eᵃ + eᵇ)
@inline(__always) func logSum(_ a: Double, _ b: Double) -> Double {
  let (high, low) = a > b ? (a, b) : (b, a)
  return low == -.infinity ? high : high + log1p(exp(low - high))
}
