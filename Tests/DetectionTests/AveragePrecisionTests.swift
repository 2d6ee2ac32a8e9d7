import Foundation
import Testing
import Training
import Zoo

/// Cases of make_fixtures.py: boxes, detections, and pycocotools' figures of them.
private struct Case: Decodable {
  struct Object: Decodable {
    var image: Int
    var label: Int
    var box: [Float]
    var crowd: Bool
  }
  struct Found: Decodable {
    var image: Int
    var label: Int
    var box: [Float]
    var score: Float
  }
  struct Expected: Decodable {
    var mean: Double
    var at50: Double
    var at75: Double
    var classes: [Double?]
    var recall50: Double
  }
  var images: Int
  var classes: Int
  var objects: [Object]
  var detections: [Found]
  var expected: Expected
}

/// Left, top, width, height in pixels of 64.
private func box(_ b: [Float]) -> Box {
  Box(b[0] / 64, b[1] / 64, (b[0] + b[2]) / 64, (b[1] + b[3]) / 64)
}

@Test func averagePrecisionIsCOCOs() throws {
  let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
    + "/Fixtures/precision.json"
  let cases = try JSONDecoder().decode([Case].self, from: Data(contentsOf: .init(filePath: path)))
  #expect(cases.count == 4)
  for c in cases {
    var objects = [[LabelledBox]](repeating: [], count: c.images)
    for o in c.objects { objects[o.image].append(LabelledBox(box(o.box), o.label, isCrowd: o.crowd)) }
    var found = [[Detection]](repeating: [], count: c.images)
    for d in c.detections { found[d.image].append(Detection(box(d.box), d.label, score: d.score)) }
    let result = AveragePrecision(found, of: objects, classes: c.classes)
    #expect(abs(result.mean - c.expected.mean) < 1e-9)
    #expect(abs(result.at50 - c.expected.at50) < 1e-9)
    #expect(abs(result.at75 - c.expected.at75) < 1e-9)
    #expect(abs(result.recall50 - c.expected.recall50) < 1e-9)
    #expect(result.ofClass50.count == c.classes)
    for (own, expected) in zip(result.ofClass50, c.expected.classes) {
      #expect((own == nil) == (expected == nil))
      if let own, let expected { #expect(abs(own - expected) < 1e-9) }
    }
  }
}

@Test func nothingFoundIsNothingWorth() {
  let objects = [[LabelledBox(Box(0, 0, 0.5, 0.5), 0)], []]
  let none = AveragePrecision([[], []], of: objects, classes: 2)
  #expect(none.at50 == 0 && none.mean == 0 && none.ofClass50 == [0, nil])
  let all = AveragePrecision(
    [[Detection(Box(0, 0, 0.5, 0.5), 0, score: 0.1)], []], of: objects, classes: 2)
  #expect(abs(all.at50 - 1) < 1e-12 && abs(all.mean - 1) < 1e-12)
}
