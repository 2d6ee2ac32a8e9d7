import Foundation
import Testing
import Training
import Zoo

/// The dual problem's value is a lower bound of the primal one's: where both meet, both are solved.
@Test func supportVectorMachinesAreOptimal() {
  var random = SeededRandom(seed: 3)
  let (count, width) = (200, 7)
  var x: [Float] = []
  var isPositive: [Bool] = []
  for i in 0..<count {
    isPositive.append(i % 4 == 0)
    for k in 0..<width { x.append(random.normal() + (i % 4 == 0 && k < 2 ? 0.8 : 0)) }
  }
  var svm = LinearSVM()
  svm.cost = 0.05
  svm.tolerance = 1e-4
  let found = svm.fit(
    x, dimensions: width, rows: Array(0..<count), isPositive: isPositive, random: &random)
  let b = Double(found.bias / svm.biasFeature)
  let norm = found.weights.reduce(b * b) { $0 + Double($1) * Double($1) }
  var primal = norm / 2
  var dual = -norm / 2
  for i in 0..<count {
    var margin = Double(found.bias)
    for k in 0..<width { margin += Double(found.weights[k] * x[i * width + k]) }
    let cost = Double(svm.cost(isPositive: isPositive[i]))
    primal += cost * max(0, 1 - (isPositive[i] ? margin : -margin))
    dual += Double(found.multipliers[i])
    #expect(found.multipliers[i] >= 0 && Double(found.multipliers[i]) <= cost)
  }
  #expect(primal - dual > -1e-4 && primal - dual < 1e-3 * primal)
}

/// At the minimum the derivatives by all weights and biases are 0.
@Test func ridgeRegressionIsAtTheMinimum() {
  var random = SeededRandom(seed: 5)
  let (count, width, outputs, strength) = (30, 50, 2, 3.0)
  let x = (0..<count * width).map { _ in random.normal() + 2 }
  let t = (0..<count * outputs).map { _ in random.normal() - 1 }
  let (w, b) = RidgeRegression(strength: strength).fit(
    x, t, count: count, dimensions: width, outputs: outputs)
  for k in 0..<outputs {
    var slopes = (0..<width).map { strength * w[k * width + $0] }
    var slope = 0.0
    for i in 0..<count {
      var error = b[k] - Double(t[i * outputs + k])
      for j in 0..<width { error += w[k * width + j] * Double(x[i * width + j]) }
      for j in 0..<width { slopes[j] += error * Double(x[i * width + j]) }
      slope += error
    }
    #expect(abs(slope) < 1e-6 && slopes.allSatisfy { abs($0) < 1e-4 })
  }
}

/// A dark square and a bright one on grey.
private func squares() -> [Float] {
  var pixels = [Float](repeating: 0.5, count: 32 * 32)
  for y in 4..<14 { for x in 3..<11 { pixels[y * 32 + x] = 0 } }
  for y in 16..<28 { for x in 15..<30 { pixels[y * 32 + x] = 1 } }
  return pixels
}

@Test func segmentsAreTheSquares() {
  let image = squares().map { $0 * 255 }
  // Smoothed edges would be regions of their own.
  let segmentation = GraphSegmentation(
    image, channels: 1, height: 32, width: 32, deviation: 0.3)
  let (labels, count) = segmentation.regions(scale: 1_000, smallest: 10)
  #expect(count == 3)
  for (i, value) in image.enumerated() {
    #expect(labels[i] == labels[value == 0 ? 5 * 32 + 5 : value == 255 ? 20 * 32 + 20 : 0])
  }
}

@Test func selectiveSearchFindsTheSquaresAndTheWhole() {
  let found = SelectiveSearch().regions(squares(), shape: [1, 32, 32])
  let dark = Box(0.09375, 0.125, 0.34375, 0.4375)
  let bright = Box(0.46875, 0.5, 0.9375, 0.875)
  for wanted in [dark, bright] {
    #expect(found.contains { $0.iou(wanted) > 0.75 })
  }
  #expect(found.contains(Box(0, 0, 1, 1)))
  #expect(Set(found.map { [$0.x1, $0.y1, $0.x2, $0.y2] }).count == found.count)
}

/// Two images, three objects; by hand.
@Test func missRatesByHand() {
  let (a, b) = (Box(0, 0, 0.2, 0.2), Box(0.5, 0.5, 0.7, 0.7))
  let found = [
    [Detection(a, 0, score: 0.9), Detection(a, 0, score: 0.7), Detection(b, 0, score: 0.6)],
    [Detection(b, 0, score: 0.8)],
  ]
  let miss = MissRate(found, of: [[LabelledBox(a, 0), LabelledBox(b, 0)], [LabelledBox(a, 0)]])
  // 0.9 right, 0.8 wrong, 0.7 wrong (the object is found already), 0.6 right.
  #expect(miss.falsePositives == [0, 0.5, 1, 1])
  let (most, least): (Double, Double) = (2.0 / 3, 1.0 / 3)
  let wantedMissed: [Double] = [most, most, most, least]
  for (a, b) in zip(miss.missed, wantedMissed) { #expect(abs(a - b) < 1e-9) }
  #expect(abs(miss.rate(at: 0.3) - most) < 1e-9)
  #expect(abs(miss.rate(at: 1) - least) < 1e-9)
  // Eight of the nine points are before the last one.
  let wanted: Double = pow(most, 8.0 / 9) * pow(least, 1.0 / 9)
  #expect(abs(miss.logAverage - wanted) < 1e-9)
}
