import Foundation
import Testing
import Training
import Zoo

@Test func overlapsByHand() {
  let a = Box(0, 0, 0.5, 0.5)
  #expect(abs(a.iou(Box(0.25, 0.25, 0.75, 0.75)) - 0.0625 / 0.4375) < 1e-6)
  #expect(a.iou(a) == 1)
  #expect(a.iou(Box(0.5, 0, 1, 0.5)) == 0)
  #expect(Box(0.5, 0.5, 0.5, 0.5).iou(Box(0.5, 0.5, 0.5, 0.5)) == 0)
}

@Test func everyObjectGetsABox() {
  let boxes = [Box(0, 0, 0.5, 0.5), Box(0.5, 0, 1, 0.5), Box(0, 0.5, 0.5, 1)]
  // The second object overlaps box 0 most as well, which the first one has.
  let match = matchBoxes(boxes, to: [Box(0, 0, 0.5, 0.45), Box(0.2, 0.05, 0.6, 0.5)])
  #expect(match == [0, 1, -1])
  #expect(matchBoxes(boxes, to: []) == [-1, -1, -1])
}

@Test func boxesAreDecodedAsTheyWereEncoded() {
  let start = CenterBox(x: 0.5, y: 0.25, width: 0.25, height: 0.5)
  let box = CenterBox(x: 0.55, y: 0.3, width: 0.5, height: 0.25)
  let code = BoxCoding.ssd.encode(box, from: start)
  #expect(abs(code[0] - 2) < 1e-5 && abs(code[1] - 1) < 1e-5)
  #expect(abs(code[2] - Float(log(2.0)) / 0.2) < 1e-5)
  let back = BoxCoding.ssd.decode(code, from: start)
  #expect(abs(back.x - 0.55) < 1e-6 && abs(back.y - 0.3) < 1e-6)
  #expect(abs(back.width - 0.5) < 1e-6 && abs(back.height - 0.25) < 1e-6)
}

@Test func defaultBoxesAreThePapers() {
  let boxes = DefaultBoxes.ssd300.boxes
  #expect(boxes.count == 8_732 && DefaultBoxes.ssd300.count == 8_732)
  // 38 · 38 · 4 boxes of the first map; the first of the second: scale 0.2, middle 1/38.
  let first = boxes[5_776]
  #expect(abs(first.x - 0.5 / 19) < 1e-6 && abs(first.width - 0.2) < 1e-6)
  #expect(abs(boxes[5_777].width - (0.2 * 0.37 as Float).squareRoot()) < 1e-6)
  #expect(abs(boxes[5_778].width - 0.2 * Float(2).squareRoot()) < 1e-6)
  // Equation 4 with m = 5 from 0.2 to 0.9: steps of 0.175.
  let even = DefaultBoxes(
    sizes: [(4, 4), (3, 3), (2, 2), (1, 1), (1, 1)], ratios: [[], [], [], [], []], smallest: 0.2,
    largest: 0.9)
  #expect(zip(even.maps, [0.2, 0.375, 0.55, 0.725, 0.9]).allSatisfy { abs($0.scale - $1) < 1e-6 })
}

/// Sizes drawn around three that lie far apart are found again.
@Test func anchorsAreTheMiddlesOfClusters() {
  let centres: [(width: Float, height: Float)] = [(0.1, 0.12), (0.3, 0.2), (0.5, 0.8)]
  var random = SeededRandom(seed: 4)
  let sizes = (0..<300).map { i in
    (
      width: centres[i % 3].width * random.float(0.95, 1.05),
      height: centres[i % 3].height * random.float(0.95, 1.05)
    )
  }
  let (anchors, overlap) = clusterAnchors(sizes, count: 3)
  for (anchor, centre) in zip(anchors, centres) {
    #expect(abs(anchor.width / centre.width - 1) < 0.02)
    #expect(abs(anchor.height / centre.height - 1) < 0.02)
  }
  #expect(overlap > 0.92)
}

@Test func suppressionKeepsTheBest() {
  var candidates = Candidates(classes: 2)
  candidates.boxes = [
    Box(0, 0, 0.4, 0.4), Box(0.02, 0, 0.42, 0.4), Box(0.5, 0.5, 1.2, 0.9), Box(0, 0, 0.4, 0.41),
  ]
  candidates.scores = [0.8, 0, 0.9, 0.3, 0.2, 0, 0.01, 0.6]
  var suppression = Suppression()
  suppression.scoreThreshold = 0.1
  let found = candidates.suppressed(suppression)
  #expect(
    found == [
      Detection(Box(0.02, 0, 0.42, 0.4), 0, score: 0.9),
      Detection(Box(0, 0, 0.4, 0.41), 1, score: 0.6),
      Detection(Box(0.5, 0.5, 1, 0.9), 0, score: 0.2),
    ])
}
