import Foundation
import NumPyFile
import Testing
import Training

#if canImport(FoundationXML)
  import FoundationXML
#endif

private func evaluation(_ loss: Double, _ accuracy: Double?, count: Double = 100) -> Evaluation {
  var e = Evaluation()
  e.loss = loss
  e.accuracy = accuracy
  e.count = count
  return e
}

private func history(_ epochs: Int, validation: Bool = true) -> [EpochResult] {
  (0..<epochs).map { i in
    let t = Double(i)
    let wave = sin(t * 1.7) * 0.01
    return EpochResult(
      epoch: i, training: evaluation(2.2 * exp(-t / 4) + 0.02, 1 - 0.85 * exp(-t / 4), count: 1294),
      validation: validation
        ? evaluation(2.2 * exp(-t / 4) + 0.06 + wave, 0.985 - 0.85 * exp(-t / 4) - wave / 2) : nil,
      learningRate: Float(0.001 * (1 + cos(t / Double(epochs) * .pi)) + 1e-5),
      gradientNorm: 3 * exp(-t / 6) + 0.4 + 20 * abs(wave), seconds: 0.31, isBest: i == epochs - 4)
  }
}

private func report() -> TrainingReport {
  var test = evaluation(0.0512, 0.9861, count: 359)
  var confusion = (0..<10).map { i in (0..<10).map { $0 == i ? 35 + i % 3 : 0 } }
  confusion[8][1] = 2
  confusion[3][9] = 1
  confusion[9][3] = 2
  test.confusion = confusion
  return TrainingReport(
    title: "LeNet-5 & <digits>", recipeFile: "recipes/lenet5.yaml",
    recipeText: "model: lenet5\nloss: cross-entropy  # a < b\nepochs: 30\n", history: history(30),
    bestEpoch: 26, metrics: [.accuracy], result: ("test", test), classNames: (0..<10).map(String.init),
    parameters: 61_706, seed: 1, unit: "samples", facts: [("Threads", "2")])
}

/// Every SVG of a page parses as XML; the elements by name.
private final class Elements: NSObject, XMLParserDelegate {
  var names: [String: [[String: String]]] = [:]
  var failure: (any Error)?

  init(_ svg: String) {
    super.init()
    let parser = XMLParser(data: Data(svg.utf8))
    parser.delegate = self
    if !parser.parse() { failure = parser.parserError }
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String] = [:]
  ) {
    names[name, default: []].append(attributes)
  }
}

private func drawings(_ page: String) -> [Elements] {
  page.components(separatedBy: "<svg ").dropFirst().map {
    Elements("<svg " + $0.components(separatedBy: "</svg>")[0] + "</svg>")
  }
}

@Test func reportIsOneSoundPage() throws {
  let page = report().html()
  if let path = ProcessInfo.processInfo.environment["APUS_REPORT_SAMPLE"] {
    try writeBytes(Array(page.utf8), toFile: path)  // to look at
  }
  for outside in ["http:", "https:", "src=", "url(", "@import", "<link"] {
    #expect(!page.contains(outside))
  }
  #expect(page.contains("<h1>LeNet-5 &amp; &lt;digits&gt;</h1>") && page.contains("# a &lt; b"))
  #expect(page.contains("<strong>98.61 %</strong><small>354 of 359</small>"))
  #expect(page.contains("<strong>61,706</strong>"))
  let drawings = drawings(page)
  #expect(drawings.count == 5 && drawings.allSatisfy { $0.failure == nil })
  // Loss and accuracy have two curves, rate and norm one; each has a point for each epoch.
  #expect(drawings[..<4].map { $0.names["path"]!.count } == [2, 2, 1, 1])
  for drawing in drawings[..<4] {
    for path in drawing.names["path"]! {
      #expect(path["d"]!.count { $0 == "M" } == 1 && path["d"]!.count { $0 == "L" } == 29)
      #expect(!path["d"]!.contains("nan"))
    }
  }
  let rects = drawings[4].names["rect"]!
  #expect(rects.count == 100 && rects.count { $0["class"] == "wrong" } == 3)
  // Class 9: 35 of 37 right, 36 predicted. Class 8: 37 of 39.
  #expect(page.contains("<td>9</td><td class=\"n\">37</td><td class=\"n\">97.2 %</td><td class=\"n\">94.6 %</td>"))
  #expect(page.contains("<td>8</td><td class=\"n\">39</td><td class=\"n\">100.0 %</td><td class=\"n\">94.9 %</td>"))
}

/// Whatever was trained, the page is sound: one epoch, nothing held out, losses that are all the
/// same, classes by the hundred or with strange names.
@Test func reportTakesAnyRun() {
  var one = report()
  one.history = history(1, validation: false)
  one.bestEpoch = nil
  one.result = nil
  var flat = report()
  flat.history = history(3).map {
    var e = $0
    e.training.loss = 0
    e.validation?.loss = .nan
    e.gradientNorm = nil
    return e
  }
  var many = report()
  var test = evaluation(1, 0.5)
  test.confusion = [[Int]](repeating: [Int](repeating: 1, count: 120), count: 120)
  many.result = ("validation", test)
  many.classNames = (0..<120).map { "a class <\($0)> & a long name" }
  var none = report()
  none.history = []
  for page in [one, flat, many, none].map({ $0.html() }) {
    for drawing in drawings(page) {
      #expect(drawing.failure == nil)
      for path in drawing.names["path"] ?? [] { #expect(!path["d"]!.contains("nan")) }
    }
  }
}

@Test func progressOnATerminalIsOneLine() {
  var out = ""
  var time = 0.0
  let display = ProgressDisplay(
    metrics: [.accuracy], unit: "samples", isTerminal: true, write: { out += $0 }, now: { time })
  func step(_ batch: Int) {
    display.show(
      TrainingProgress(
        epoch: 2, epochs: 30, batch: batch, batches: 40, loss: 0.25, accuracy: 0.9312, rate: 4912.4,
        secondsLeft: 75))
  }
  step(10)
  time = 0.05
  step(11)  // too soon to be shown
  #expect(
    out == "\repoch  3/30  ━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  loss 0.2500  accuracy 93.12 %  4,912 samples/s  1:15 left\u{1B}[K")
  out = ""
  display.show(
    EpochResult(
      epoch: 2, training: evaluation(0.2, 0.95), validation: evaluation(0.3, 0.9), learningRate: 0.1,
      gradientNorm: nil, seconds: 0.02, isBest: true), epochs: 30)
  #expect(
    out == "\repoch  3/30  loss 0.2000  accuracy 95.00 %  validation loss 0.3000  accuracy 90.00 %"
      + "  5,000 samples/s  best\u{1B}[K\n")
}

@Test func progressInAFileIsPlainLines() {
  var out = ""
  var time = 0.0
  let display = ProgressDisplay(
    metrics: [.bits], unit: "characters", isTerminal: false, write: { out += $0 }, now: { time })
  for batch in 1...4 {
    display.show(
      TrainingProgress(
        epoch: 0, epochs: 2, batch: batch, batches: 4, loss: 2, accuracy: 0.5, rate: 1000,
        secondsLeft: 3725))
    time += 11
  }
  #expect(out == "epoch 1/2  100 %  loss 2.0000  bits 2.885  1,000 characters/s  1:02:05 left\n")
  out = ""
  display.show(
    EpochResult(
      epoch: 0, training: evaluation(1, 0.5), validation: nil, learningRate: 0.1, gradientNorm: nil,
      seconds: 1, isBest: false), epochs: 2)
  #expect(out == "epoch 1/2  loss 1.0000  bits 1.443  100 characters/s\n")
}
