import Testing
import Training
import Zoo

private func random(_ shape: [Int], _ source: inout SeededRandom, _ spread: Float = 1) -> Tensor<Double> {
  let tensor = Tensor<Double>(shape, needsGradient: true)
  for i in 0..<tensor.count { tensor.data[i] = Double(source.float(-spread, spread)) }
  return tensor
}

/// The derivatives that `loss` adds to the tensors' gradients against central differences.
private func agreesWithDifferences(_ tensors: [Tensor<Double>], _ loss: () -> DetectionLoss) {
  for tensor in tensors { tensor.zeroGradient() }
  let total = loss().total
  #expect(total > 0)
  let gradients = tensors.map { t in (0..<t.count).map { t.gradient![$0] } }
  #expect(gradients.joined().contains { $0 != 0 })
  for (tensor, gradient) in zip(tensors, gradients) {
    for i in 0..<tensor.count {
      let x = tensor.data[i]
      let step = 1e-5
      tensor.data[i] = x + step
      let above = loss().total
      tensor.data[i] = x - step
      let below = loss().total
      tensor.data[i] = x
      let slope = (above - below) / (2 * step)
      #expect(abs(slope - gradient[i]) < 1e-7 * max(1, abs(slope)))
    }
  }
}

private let objects: [[LabelledBox]] = [
  [
    LabelledBox(Box(0.1, 0.1, 0.45, 0.5), 0), LabelledBox(Box(0.5, 0.4, 0.95, 0.9), 2),
    LabelledBox(Box(0, 0.6, 0.3, 1), 1, isCrowd: true),
  ],
  [],
  [LabelledBox(Box(0.3, 0.55, 0.7, 0.85), 1)],
]

private let starts = DefaultBoxes(
  sizes: [(3, 3), (2, 2)], ratios: [[2], [2, 3]], smallest: 0.3, largest: 0.6
).boxes

@Test(arguments: [false, true])
func multiBoxLossAgreesWithDifferences(_ isFocal: Bool) {
  var source = SeededRandom(seed: 5)
  let locations = random([3, starts.count, 4], &source, 3)
  let confidences = random([3, starts.count, 4], &source, 2)
  var loss = MultiBoxLoss(starts, classes: 3)
  if isFocal { loss.focal = (0.25, 2) }
  agreesWithDifferences([locations, confidences]) {
    loss.evaluate(locations, confidences, objects)
  }
}

/// As equations 1 to 3 say it, written down anew: matched boxes by hand, the hardest three times as
/// many background boxes by sorting.
@Test func multiBoxLossIsThePapers() {
  var source = SeededRandom(seed: 6)
  let truth = [objects[2]]
  let locations = random([1, starts.count, 4], &source, 3)
  let confidences = random([1, starts.count, 4], &source, 2)
  let result = MultiBoxLoss(starts, classes: 3).evaluate(locations, confidences, truth)
  let object = truth[0][0].box
  let overlaps = starts.map { Box($0).iou(object) }
  let best = overlaps.indices.max { overlaps[$0] < overlaps[$1] }!
  let matched = starts.indices.filter { overlaps[$0] > 0.5 || $0 == best }
  func crossEntropy(_ i: Int, _ label: Int) -> Double {
    let z = (0..<4).map { confidences.data[i * 4 + $0] }
    return Double.log(z.map { Double.exp($0) }.reduce(0, +)) - z[label]
  }
  var place = 0.0
  for i in matched {
    let g = CenterBox(object)
    let d = starts[i]
    let target = [
      (g.x - d.x) / d.width / 0.1, (g.y - d.y) / d.height / 0.1, Float.log(g.width / d.width) / 0.2,
      Float.log(g.height / d.height) / 0.2,
    ]
    for k in 0..<4 {
      let e = abs(locations.data[i * 4 + k] - Double(target[k]))
      place += e < 1 ? e * e / 2 : e - 0.5
    }
  }
  let hardest = starts.indices.filter { !matched.contains($0) }.map { crossEntropy($0, 0) }.sorted()
    .suffix(3 * matched.count)
  let label = matched.map { crossEntropy($0, 2) }.reduce(0, +) + hardest.reduce(0, +)
  #expect(!matched.isEmpty)
  #expect(abs(result.boxes - place / Double(matched.count)) < 1e-5)
  #expect(abs(result.classes - label / Double(matched.count)) < 1e-9)
}

@Test func gridLossAgreesWithDifferences() {
  var source = SeededRandom(seed: 7)
  let y = random([3, 4, 4, 13], &source)
  let loss = GridLoss(cells: 4, boxes: 2, classes: 3)
  let responsible = loss.assign(y, objects)
  #expect(responsible.map(\.count) == [2, 0, 1])
  agreesWithDifferences([y]) { loss.evaluate(y, responsible) }
}

/// Equation 3 with one object, term by term.
@Test func gridLossIsThePapers() {
  let y = Tensor<Double>([1, 2, 2, 8], needsGradient: true)
  // Cell (1, 1): the object's box is 0.5 … 1 either way, middle 0.75.
  let cell: [Double] = [0.4, 0.5, 0.7, 0.7, 0.6, 0.1, 0.8, 0.3]
  for (k, v) in cell.enumerated() { y.data[3 * 8 + k] = v }
  for i in 0..<3 { y.data[i * 8 + 4] = 0.2 }
  let loss = GridLoss(cells: 2, boxes: 1, classes: 3)
  let truth = [[LabelledBox(Box(0.5, 0.5, 1, 1), 1)]]
  let result = loss.evaluate(y, loss.assign(y, truth))
  let root = 0.5.squareRoot()
  let places = 0.01 + 2 * (0.7 - root) * (0.7 - root)
  // Predicted: middle 0.7, 0.75, sides 0.49.
  let common = (0.945 - 0.5) * (0.995 - 0.505)
  let overlap = common / (0.49 * 0.49 + 0.25 - common)
  #expect(abs(result.boxes - 5 * places) < 1e-6)
  #expect(abs(result.objectness - ((0.6 - overlap) * (0.6 - overlap) + 0.5 * 3 * 0.04)) < 1e-6)
  #expect(abs(result.classes - (0.01 + 0.04 + 0.09)) < 1e-9)
}

@Test(arguments: [true, false])
func anchorLossAgreesWithDifferences(_ isExclusive: Bool) {
  var source = SeededRandom(seed: 8)
  let grids = [
    AnchorGrid(
      height: 2, width: 2, classes: 3, anchors: [(0.45, 0.5), (0.3, 0.6)], isExclusive: isExclusive),
    AnchorGrid(
      height: 4, width: 4, classes: 3, anchors: [(0.35, 0.3)], isExclusive: isExclusive),
  ]
  let outputs = grids.map { random([3, $0.channels, $0.height, $0.width], &source) }
  let loss = AnchorLoss(grids)
  let assignments = loss.assign(outputs, objects)
  agreesWithDifferences(outputs) { loss.evaluate(outputs, assignments, images: 3) }
}

/// A prediction that is right in everything costs nothing but its sizes of logistic losses.
@Test func anchorLossOfARightPrediction() {
  let grid = AnchorGrid(
    height: 2, width: 2, classes: 2, anchors: [(0.5, 0.5)], isExclusive: true)
  let y = Tensor<Double>([1, grid.channels, 2, 2], needsGradient: true)
  // Place 3, middle of the cell: tx = ty = 0, tw = th = 0.
  for place in 0..<4 { y.data[4 * 4 + place] = place == 3 ? 40 : -40 }
  y.data[6 * 4 + 3] = 40
  let loss = AnchorLoss([grid])
  let truth = [[LabelledBox(Box(0.5, 0.5, 1, 1), 1)]]
  let right = loss.evaluate([y], loss.assign([y], truth), images: 1)
  #expect(right.total < 1e-9)
  // One place off: the cell beside says there is an object (1, squared), the right one does not
  // (5, squared).
  y.data[4 * 4 + 3] = -40
  y.data[4 * 4 + 0] = 40
  let wrong = loss.evaluate([y], loss.assign([y], truth), images: 1)
  #expect(abs(wrong.objectness - 6) < 1e-9)
}
