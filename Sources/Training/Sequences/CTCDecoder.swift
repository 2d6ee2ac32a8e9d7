import Foundation

/// Finds the labels in what a network trained with `CTCLoss` says step by step.
public struct CTCDecoder {
  public var blank: Int

  public init(blank: Int = 0) { self.blank = blank }

  /// The labels of the likeliest step each: repetitions become one label, blanks none (A. Graves et
  /// al., "Connectionist temporal classification", 2006, section 3.2).
  ///
  /// - Parameter scores: [steps, classes], logits or probabilities; rows `stride` apart.
  public func bestPath(
    _ scores: UnsafePointer<Float>, steps: Int, classes: Int, stride: Int? = nil
  ) -> [Int] {
    var labels: [Int] = []
    var last = blank
    for t in 0..<steps {
      let best = indexOfGreatest(scores + t * (stride ?? classes), classes)
      if best != blank, best != last { labels.append(best) }
      last = best
    }
    return labels
  }

  /// Labels and the logarithm of their probability, as far as the beam saw it.
  public struct Candidate: Equatable {
    public var labels: [Int]
    public var logProbability: Double
  }

  /// The likeliest labels, best first: of each beginning the probability of all ways to say it, those
  /// that end with a blank apart from those that do not (A. Y. Hannun et al., "First-pass large
  /// vocabulary continuous speech recognition using bi-directional recurrent DNNs", 2014, algorithm 1,
  /// without a language model).
  ///
  /// - Parameters:
  ///   - logits: [steps, classes], rows `stride` apart.
  ///   - beam: beginnings that are followed.
  public func beamSearch(
    _ logits: UnsafePointer<Float>, steps: Int, classes: Int, stride: Int? = nil, beam: Int = 16
  ) -> [Candidate] {
    let y = CTCLoss.logSoftmax(logits, steps: steps, classes, stride: stride ?? classes)
    var beams: [[Int]: Ends] = [[]: Ends(blank: 0, label: -.infinity)]
    for t in 0..<steps {
      var next: [[Int]: Ends] = [:]
      for (prefix, ends) in beams {
        // The beginning stays: with a blank, or by its last label again.
        next[prefix, default: Ends()].addBlank(ends.sum + y[t * classes + blank])
        if let last = prefix.last {
          next[prefix]!.addLabel(ends.label + y[t * classes + last])
        }
        for k in 0..<classes where k != blank {
          // The same label anew needs a blank between.
          let before = k == prefix.last ? ends.blank : ends.sum
          guard before > -.infinity else { continue }
          next[prefix + [k], default: Ends()].addLabel(before + y[t * classes + k])
        }
      }
      beams = next
      if beams.count > beam {
        let best = CTCDecoder.sorted(beams).prefix(beam).map { ($0.key, $0.value) }
        beams = Dictionary(uniqueKeysWithValues: best)
      }
    }
    return CTCDecoder.sorted(beams).map { Candidate(labels: $0.key, logProbability: $0.value.sum) }
  }

  /// Logarithms of the probabilities of the ways to say a beginning.
  private struct Ends {
    var blank = -Double.infinity
    var label = -Double.infinity

    var sum: Double { logSum(blank, label) }
    mutating func addBlank(_ x: Double) { blank = logSum(blank, x) }
    mutating func addLabel(_ x: Double) { label = logSum(label, x) }
  }

  /// Best first; equals in the order of their labels, so that a run is like another.
  private static func sorted(_ beams: [[Int]: Ends]) -> [(key: [Int], value: Ends)] {
    beams.map { (key: $0.key, value: $0.value) }.sorted { a, b in
      let (x, y) = (a.value.sum, b.value.sum)
      return x != y ? x > y : a.key.lexicographicallyPrecedes(b.key)
    }
  }
}
