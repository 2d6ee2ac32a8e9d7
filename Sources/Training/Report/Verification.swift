/// How well a score tells pairs of one thing from pairs of two: the receiver operating characteristic.
public struct Verification {
  /// For falling thresholds: the share of false pairs that are accepted, and of true ones; both rise
  /// from 0 to 1.
  public private(set) var falseAccepts: [Double] = []
  public private(set) var trueAccepts: [Double] = []

  /// - Parameter pairs: Scores, and whether both are of one thing. Equal scores are accepted together.
  public init(_ pairs: [(score: Float, isSame: Bool)]) {
    let sorted = pairs.sorted { $0.score > $1.score }
    let same = Double(max(1, pairs.count { $0.isSame }))
    let other = Double(max(1, pairs.count { !$0.isSame }))
    var (hits, slips) = (0.0, 0.0)
    (falseAccepts, trueAccepts) = ([0], [0])
    for (i, pair) in sorted.enumerated() {
      if pair.isSame { hits += 1 } else { slips += 1 }
      if i + 1 == sorted.count || sorted[i + 1].score != pair.score {
        falseAccepts.append(slips / other)
        trueAccepts.append(hits / same)
      }
    }
  }

  /// The area under the curve: how often a true pair has a higher score than a false one.
  public var area: Double {
    var sum = 0.0
    for i in falseAccepts.indices.dropFirst() {
      sum += (falseAccepts[i] - falseAccepts[i - 1]) * (trueAccepts[i] + trueAccepts[i - 1]) / 2
    }
    return sum
  }

  /// Where as many false pairs are accepted as true ones refused.
  public var equalError: Double {
    for i in falseAccepts.indices where falseAccepts[i] >= 1 - trueAccepts[i] {
      guard i > 0 else { return falseAccepts[i] }
      // On the line between the two points.
      let (x0, x1) = (falseAccepts[i - 1], falseAccepts[i])
      let (y0, y1) = (1 - trueAccepts[i - 1], 1 - trueAccepts[i])
      let t = (y0 - x0) / max(1e-300, (x1 - x0) - (y1 - y0))
      return x0 + t * (x1 - x0)
    }
    return 1
  }

  /// The share of true pairs accepted where false ones are accepted no more often than this.
  public func trueAccepts(atFalse rate: Double) -> Double {
    var best = 0.0
    for (x, y) in zip(falseAccepts, trueAccepts) where x <= rate { best = max(best, y) }
    return best
  }
}
