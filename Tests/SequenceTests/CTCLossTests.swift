import Foundation
import NumPyFile
import Testing
import Training

/// Deterministic numbers from -scale to scale.
func numbers(_ count: Int, seed: UInt64, scale: Double = 1) -> [Double] {
  var random = SeededRandom(seed: seed)
  return (0..<count).map { _ in
    scale * (2 * Double(random.integer(below: 1 << 30)) / Double(1 << 30) - 1)
  }
}

/// The labels that a step-by-step path says.
func collapse(_ path: [Int], blank: Int) -> [Int] {
  var labels: [Int] = []
  for (t, k) in path.enumerated() where k != blank && (t == 0 || path[t - 1] != k) {
    labels.append(k)
  }
  return labels
}

/// The probability of every sequence of labels: each of the classes^steps paths, one by one.
func allLabellings(_ logits: [Double], steps: Int, classes: Int, blank: Int) -> [[Int]: Double] {
  let y = (0..<steps).flatMap { t -> [Double] in
    let e = logits[t * classes..<(t + 1) * classes].map { exp($0) }
    let sum = e.reduce(0, +)
    return e.map { $0 / sum }
  }
  var result: [[Int]: Double] = [:]
  var count = 1
  for _ in 0..<steps { count *= classes }
  for number in 0..<count {
    var rest = number
    var probability = 1.0
    let path = (0..<steps).map { t -> Int in
      let k = rest % classes
      rest /= classes
      probability *= y[t * classes + k]
      return k
    }
    result[collapse(path, blank: blank), default: 0] += probability
  }
  return result
}

@Test(arguments: [(1, 2, 0), (2, 3, 2), (4, 3, 0), (5, 4, 1), (6, 3, 0)])
func ctcIsTheSumOverAllPaths(_ steps: Int, _ classes: Int, _ blank: Int) {
  let logits = numbers(steps * classes, seed: UInt64(steps), scale: 2)
  let labellings = allLabellings(logits, steps: steps, classes: classes, blank: blank)
  #expect(abs(labellings.values.reduce(0, +) - 1) < 1e-12)
  for (labels, probability) in labellings {
    let loss = CTCLoss(blank: blank).evaluate(
      logits, steps: steps, classes: classes, labels: [labels])[0]
    #expect(abs(loss + log(probability)) < 1e-11, "\(labels)")
  }
  // The same label twice needs a blank between.
  let label = blank == 0 ? 1 : 0
  let impossible = [Int](repeating: label, count: steps / 2 + 1 + steps % 2)
  #expect(labellings[impossible] == nil)
  var gradient = [Double](repeating: 0, count: logits.count)
  let loss = CTCLoss(blank: blank).evaluate(
    logits, steps: steps, classes: classes, labels: [impossible], gradient: &gradient)
  #expect(loss == [.infinity] && gradient.allSatisfy { $0 == 0 })
}

@Test func ctcGradientsAgreeWithDifferences() {
  let (steps, classes) = (7, 4)
  let labels = [[1, 1, 3], [2], []]
  let lengths = [7, 4, 5]
  let loss = CTCLoss()
  var logits = numbers(steps * 3 * classes, seed: 3, scale: 2)
  func sum() -> Double {
    loss.evaluate(logits, steps: steps, classes: classes, labels: labels, lengths: lengths)
      .reduce(0, +)
  }
  // What is there already stays.
  var gradient = [Double](repeating: 1, count: logits.count)
  _ = loss.evaluate(
    logits, steps: steps, classes: classes, labels: labels, lengths: lengths, gradient: &gradient,
    scale: 0.5)
  for i in logits.indices {
    let x = logits[i]
    logits[i] = x + 1e-5
    let above = sum()
    logits[i] = x - 1e-5
    let below = sum()
    logits[i] = x
    #expect(abs((above - below) / 4e-5 + 1 - gradient[i]) < 1e-8, "\(i)")
  }
}

@Test func ctcAgreesWithPyTorch() throws {
  let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
  let archive = try NumPyArchive(contentsOf: "\(folder)/Fixtures/ctc.npz")
  let cases = archive.names.filter { $0.hasSuffix("/logits") }.map { String($0.dropLast(7)) }
  #expect(cases.count == 5)
  for name in cases {
    let z = archive["\(name)/logits"]!
    let table = archive["\(name)/labels"]!
    let (all, width) = (try #require(table.integers()), table.shape[1])
    let labels = (0..<table.shape[0]).map { n in
      all[n * width..<(n + 1) * width].filter { $0 >= 0 }
    }
    let logits = z.doubles()
    let lengths = try #require(archive["\(name)/lengths"]!.integers())
    let blank = try #require(archive["\(name)/blank"]!.integers())[0]
    var gradient = [Double](repeating: 0, count: logits.count)
    let losses = CTCLoss(blank: blank).evaluate(
      logits, steps: z.shape[0], classes: z.shape[2], labels: labels, lengths: lengths,
      gradient: &gradient)
    for (loss, wanted) in zip(losses, archive["\(name)/loss"]!.doubles()) {
      #expect(abs(loss - wanted) <= 1e-10 * max(1, wanted), "case \(name)")
    }
    for (g, wanted) in zip(gradient, archive["\(name)/gradient"]!.doubles()) {
      #expect(abs(g - wanted) < 1e-9, "case \(name)")
    }
    // float32 logits lose no more than their own rounding.
    let floats = logits.map { Float($0) }
    let rounded = CTCLoss(blank: blank).evaluate(
      floats, steps: z.shape[0], classes: z.shape[2], labels: labels, lengths: lengths)
    for (loss, wanted) in zip(rounded, losses) { #expect(abs(loss - wanted) < 1e-5 * max(1, wanted)) }
  }
}
