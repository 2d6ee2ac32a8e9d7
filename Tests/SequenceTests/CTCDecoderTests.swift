import Foundation
import Testing
import Training

@Test(arguments: [0, 2])
func aWideBeamSumsAllPaths(_ blank: Int) {
  let (steps, classes) = (5, 3)
  for seed in 0..<20 as Range<UInt64> {
    let logits = numbers(steps * classes, seed: seed, scale: 2).map { Float($0) }
    let all = allLabellings(
      logits.map { Double($0) }, steps: steps, classes: classes, blank: blank)
    let found = CTCDecoder(blank: blank).beamSearch(
      logits, steps: steps, classes: classes, beam: 1_000)
    #expect(found.count == all.count)
    for candidate in found {
      #expect(abs(candidate.logProbability - log(all[candidate.labels]!)) < 1e-11)
    }
    #expect(all.max { $0.value < $1.value }!.key == found[0].labels)
    // A narrow beam sees some of the ways alone.
    let narrow = CTCDecoder(blank: blank).beamSearch(logits, steps: steps, classes: classes, beam: 2)
    #expect(narrow.count == 2)
    for c in narrow { #expect(c.logProbability <= log(all[c.labels]!) + 1e-12) }
  }
}

/// A. Graves' example: the likeliest path is all blanks, the likeliest label is not none.
@Test func theBestPathIsNotTheBestLabelling() {
  let logits: [Float] = [log(0.6), log(0.4), log(0.6), log(0.4)].map { Float($0) }
  let decoder = CTCDecoder()
  #expect(decoder.bestPath(logits, steps: 2, classes: 2) == [])
  let found = decoder.beamSearch(logits, steps: 2, classes: 2)
  #expect(found.map(\.labels) == [[1], []])
  #expect(abs(exp(found[0].logProbability) - 0.64) < 1e-6)
  #expect(abs(exp(found[1].logProbability) - 0.36) < 1e-6)
}

@Test func bestPathDropsRepetitionsAndBlanks() {
  let path = [0, 1, 1, 0, 1, 2, 2, 0, 0, 3]
  var scores = [Float](repeating: 0, count: path.count * 8)
  for (t, k) in path.enumerated() { scores[t * 8 + k] = 1 }
  #expect(
    CTCDecoder().bestPath(scores, steps: path.count, classes: 4, stride: 8) == [1, 1, 2, 3])
  #expect(collapse(path, blank: 0) == [1, 1, 2, 3])
  #expect(CTCDecoder().bestPath(scores, steps: 0, classes: 4) == [])
}

@Test func editDistances() {
  func distance(_ a: String, _ b: String) -> Int { editDistance(Array(a), Array(b)) }
  #expect(distance("kitten", "sitting") == 3)
  #expect(distance("", "abc") == 3 && distance("abc", "") == 3 && distance("abc", "abc") == 0)
  #expect(distance("flaw", "lawn") == 2 && distance("intention", "execution") == 5)
  #expect(labelErrorRate([(Array("sitting"), Array("kitten")), (Array("a"), Array("ab"))]) == 0.5)
}
