import Foundation
import Testing
import Training

private let (count, dimensions) = (9, 4)
private let classes = [0, 1, 0, 2, 1, 0, 2, 2, 1]

private func differences(_ x: [Double], _ loss: ([Double]) -> Double) -> [Double] {
  x.indices.map { i in
    var moved = x
    moved[i] = x[i] + 1e-6
    let above = loss(moved)
    moved[i] = x[i] - 1e-6
    return (above - loss(moved)) / 2e-6
  }
}

@Test(arguments: 1...8 as ClosedRange<UInt64>)
func tripletsHaveTheirGradient(_ seed: UInt64) {
  let x = numbers(count * dimensions, seed: seed)
  func loss(_ x: [Double]) -> Double {
    MetricLoss.semiHardTriplets(
      x, count: count, dimensions: dimensions, classes: classes, margin: 0.3,
      gradient: nil as UnsafeMutablePointer<Double>?
    ).loss
  }
  var gradient = [Double](repeating: 0, count: x.count)
  let (value, pairs) = MetricLoss.semiHardTriplets(
    x, count: count, dimensions: dimensions, classes: classes, margin: 0.3, gradient: &gradient)
  #expect(value == loss(x) && value > 0)
  // Three classes of three: each of nine anchors has two positives.
  #expect(pairs == 18)
  for (g, d) in zip(gradient, differences(x, loss)) { #expect(abs(g - d) < 1e-7) }
}

/// On a line, by hand: 0 and 1 are one class, 3 and 1.2 the other.
@Test func negativesAreSemiHard() {
  let x: [Double] = [0, 1, 3, 1.2]
  let (loss, pairs) = MetricLoss.semiHardTriplets(
    x, count: 4, dimensions: 1, classes: [0, 0, 1, 1], margin: 0.5,
    gradient: nil as UnsafeMutablePointer<Double>?)
  // Anchor 0: |1|² = 1, the nearest farther one is 1.2² = 1.44: 0.06. Anchor 1: 1, farther is 2² = 4
  // alone: 0. Anchor 3: 1.8² = 3.24; 2² = 4 is nearer than 3² = 9: 0. Anchor 1.2: 3.24; both others
  // are nearer, the farthest has 1.44: 3.24 − 1.44 + 0.5.
  #expect(pairs == 4)
  #expect(abs(loss - (0.06 + 0 + 0 + 2.3) / 4) < 1e-12)
  // Without another class there is nothing to learn.
  #expect(
    MetricLoss.semiHardTriplets(
      x, count: 4, dimensions: 1, classes: [0, 0, 0, 0], margin: 0.5,
      gradient: nil as UnsafeMutablePointer<Double>?
    ).pairs == 0)
}

@Test func centresPullAndFollow() {
  let x = numbers(count * dimensions, seed: 4)
  let start = numbers(3 * dimensions, seed: 5)
  func loss(_ x: [Double]) -> Double {
    var centres = start
    return MetricLoss.centres(
      x, count: count, dimensions: dimensions, classes: classes, centres: &centres, strength: 0.7,
      rate: 0.5, gradient: nil)
  }
  var centres = start
  var gradient = [Double](repeating: 0, count: x.count)
  let value = MetricLoss.centres(
    x, count: count, dimensions: dimensions, classes: classes, centres: &centres, strength: 0.7,
    rate: 0.5, gradient: &gradient)
  #expect(value == loss(x))
  for (g, d) in zip(gradient, differences(x, loss)) { #expect(abs(g - d) < 1e-8) }
  for c in 0..<3 {
    for d in 0..<dimensions {
      let own = (0..<count).filter { classes[$0] == c }.map { x[$0 * dimensions + d] }
      let old = start[c * dimensions + d]
      let wanted = old - 0.5 * own.reduce(0) { $0 + (old - $1) } / 4
      #expect(abs(centres[c * dimensions + d] - wanted) < 1e-12)
    }
  }
}

@Test func verificationByHand() {
  // Falling scores: + + − + −
  let v = Verification([
    (0.9, true), (0.8, true), (0.7, false), (0.6, true), (0.1, false),
  ])
  // Of the 6 pairs of a true and a false one, 5 are in the right order.
  #expect(abs(v.area - 5.0 / 6) < 1e-12)
  #expect(v.trueAccepts(atFalse: 0) == 2.0 / 3 && v.trueAccepts(atFalse: 0.5) == 1)
  #expect(abs(v.equalError - 1.0 / 3) < 1e-12)
  // Equal scores count half; no order, no knowledge.
  let same = Verification([(0.5, true), (0.5, false), (0.5, true), (0.5, false)])
  #expect(same.area == 0.5 && same.equalError == 0.5)
  #expect(Verification([(1, true), (0, false)]).area == 1)
}

@Test func theAreaIsAShareOfPairs() {
  var random = SeededRandom(seed: 3)
  let pairs = (0..<200).map { _ -> (score: Float, isSame: Bool) in
    let isSame = random.float() < 0.3
    return ((10 * (random.float() + (isSame ? 0.2 : 0))).rounded(), isSame)
  }
  var (right, all) = (0.0, 0.0)
  for a in pairs where a.isSame {
    for b in pairs where !b.isSame {
      all += 1
      right += a.score > b.score ? 1 : a.score == b.score ? 0.5 : 0
    }
  }
  #expect(abs(Verification(pairs).area - right / all) < 1e-12)
}
