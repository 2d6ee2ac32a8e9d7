/// Losses of embeddings: they compare samples of a batch with each other, or with their class's centre.
public enum MetricLoss {
  /// The triplet loss with semi-hard negatives: for each pair of one class, anchor a and positive p, the
  /// negative n of another class that is the nearest of those farther from a than p is; where there is
  /// none, the farthest of all. Mean over the pairs of
  ///
  ///     max(0, |a − p|² − |a − n|² + margin)
  ///
  /// F. Schroff, D. Kalenichenko, J. Philbin, "FaceNet: a unified embedding for face recognition and
  /// clustering", 2015, sections 3.1 and 3.2, with the negatives searched in the batch.
  ///
  /// - Parameter gradient: where there is one, the derivative by `x` is added.
  public static func semiHardTriplets<S: TrainingScalar>(
    _ x: UnsafePointer<S>, count: Int, dimensions: Int, classes: [Int], margin: Double,
    gradient: UnsafeMutablePointer<S>?
  ) -> (loss: Double, pairs: Int) {
    func distance(_ i: Int, _ j: Int) -> Double {
      var sum = 0.0
      for d in 0..<dimensions {
        let difference = Double(x[i * dimensions + d]) - Double(x[j * dimensions + d])
        sum += difference * difference
      }
      return sum
    }
    var distances = [Double](repeating: 0, count: count * count)
    for i in 0..<count {
      for j in 0..<i {
        distances[i * count + j] = distance(i, j)
        distances[j * count + i] = distances[i * count + j]
      }
    }
    var triplets: [(a: Int, p: Int, n: Int, loss: Double)] = []
    for a in 0..<count {
      let row = distances[a * count..<(a + 1) * count]
      let others = (0..<count).filter { classes[$0] != classes[a] }
      guard let farthest = others.max(by: { row[a * count + $0] < row[a * count + $1] }) else { continue }
      for p in 0..<count where p != a && classes[p] == classes[a] {
        let far = row[a * count + p]
        let n =
          others.filter { row[a * count + $0] > far }
          .min { row[a * count + $0] < row[a * count + $1] } ?? farthest
        triplets.append((a, p, n, max(0, far - row[a * count + n] + margin)))
      }
    }
    guard !triplets.isEmpty else { return (0, 0) }
    let scale = S(2 / Double(triplets.count))
    if let gradient {
      for t in triplets where t.loss > 0 {
        for d in 0..<dimensions {
          let (a, p, n) = (t.a * dimensions + d, t.p * dimensions + d, t.n * dimensions + d)
          gradient[a] += scale * (x[n] - x[p])
          gradient[p] += scale * (x[p] - x[a])
          gradient[n] += scale * (x[a] - x[n])
        }
      }
    }
    return (triplets.reduce(0) { $0 + $1.loss } / Double(triplets.count), triplets.count)
  }

  /// The centre loss λ/2 · Σ |xᵢ − c|² / count, c the centre of the sample's class; the centres follow
  /// their samples:
  ///
  ///     Δc = Σ (c − xᵢ) / (1 + nᵢ),  c ← c − α Δc
  ///
  /// Y. Wen, K. Zhang, Z. Li, Y. Qiao, "A discriminative feature learning approach for deep face
  /// recognition", 2016, equations 2 to 4 (the loss here a mean over the batch).
  ///
  /// - Parameter gradient: where there is one, the derivative by `x` is added, and the centres move.
  public static func centres<S: TrainingScalar>(
    _ x: UnsafePointer<S>, count: Int, dimensions: Int, classes: [Int],
    centres: UnsafeMutablePointer<S>, strength: Double, rate: Double,
    gradient: UnsafeMutablePointer<S>?
  ) -> Double {
    var sum = 0.0
    let scale = S(strength / Double(count))
    for i in 0..<count {
      for d in 0..<dimensions {
        let difference = x[i * dimensions + d] - centres[classes[i] * dimensions + d]
        sum += Double(difference * difference)
        gradient?[i * dimensions + d] += scale * difference
      }
    }
    if gradient != nil {
      for (c, members) in Dictionary(grouping: 0..<count, by: { classes[$0] }) {
        for d in 0..<dimensions {
          let centre = centres[c * dimensions + d]
          var change: S = 0
          for i in members { change += centre - x[i * dimensions + d] }
          centres[c * dimensions + d] -= S(rate) * change / S(1 + Double(members.count))
        }
      }
    }
    return strength / 2 * sum / Double(count)
  }
}
