import Foundation
import Graph

/// Learns to write what is said, by `CTCLoss`. Utterances of a corpus follow each other with pauses
/// between them, at random, until a sound of fixed length is full: whoever says one word says all.
public final class SpeechTask: TrainingTask {
  private let utterances: [(text: String, samples: [Float])]
  private let bySpeaker: [[Int]]
  private let labelOf: [Character: Int]
  private let characters: [Character]
  private let options: Options
  private let isTraining: Bool
  public let batchCount: Int
  private var pairs: [(found: [Int], wanted: [Int])] = []
  /// Of the first sound of an evaluation: what was said, and how likely each label is in each step.
  private var heard: (text: String, probabilities: [[Float]])?

  public struct Options {
    /// Samples of a sound, and from step to step of the network.
    public var samples = 16_000
    public var stepSamples = 160
    /// Samples of a pause: from, to.
    public var pause = 400...2_400
    /// Deviation of noise, in training up to; the sound's highest is 1.
    public var noise: Float = 0.02
    /// In training sounds are played by up to this share faster or slower.
    public var speed: Float = 0.15
    public var batchSize = 8
    /// Sounds of an epoch.
    public var count = 400
    public var seed: UInt64 = 1

    public init() {}
  }

  /// - Parameter speakers: who is heard.
  public init(
    _ corpus: SpeechCorpus, speakers: [String], options: Options, isTraining: Bool
  ) {
    let names = Dictionary(uniqueKeysWithValues: speakers.enumerated().map { ($1, $0) })
    var utterances: [(text: String, samples: [Float])] = []
    var bySpeaker = [[Int]](repeating: [], count: speakers.count)
    for utterance in corpus.utterances {
      guard let speaker = names[utterance.speaker] else { continue }
      bySpeaker[speaker].append(utterances.count)
      utterances.append((utterance.text, utterance.samples))
    }
    self.utterances = utterances
    self.bySpeaker = bySpeaker.filter { !$0.isEmpty }
    characters = corpus.alphabet
    labelOf = Dictionary(uniqueKeysWithValues: characters.enumerated().map { ($1, $0 + 1) })
    self.options = options
    self.isTraining = isTraining
    batchCount = max(1, options.count / options.batchSize)
  }

  public var unit: String { "sounds" }
  public var sampleCount: Int { batchCount * options.batchSize }

  /// A sound and its labels.
  public func sound(epoch: Int, index: Int) -> (samples: [Float], labels: [Int]) {
    var random = SeededRandom(seed: options.seed, isTraining ? epoch + 1 : 0, index)
    var samples: [Float] = []
    var words: [String] = []
    let own = bySpeaker[random.integer(below: bySpeaker.count)]
    let speed = isTraining ? random.float(1 - options.speed, 1 + options.speed) : 1
    while true {
      let (low, high) = (options.pause.lowerBound, options.pause.upperBound)
      let pause = low + random.integer(below: high - low + 1)
      let next = utterances[own[random.integer(below: own.count)]]
      let spoken = isTraining ? SpeechTask.played(next.samples, at: speed) : next.samples
      let loudness = random.float(0.4, 1)
      guard samples.count + pause + spoken.count <= options.samples else { break }
      samples += repeatElement(0, count: pause)
      samples += spoken.map { $0 * loudness }
      words.append(next.text)
    }
    samples += repeatElement(0, count: options.samples - samples.count)
    let noise = isTraining ? random.float(0.05, 1) * options.noise : options.noise / 2
    for i in samples.indices { samples[i] += noise * Float(random.normal()) }
    return (samples, words.joined(separator: " ").map { labelOf[$0]! })
  }

  /// Faster and higher, or slower and lower: another voice (T. Ko et al., "Audio augmentation for speech
  /// recognition", 2015). Between samples it is linear.
  private static func played(_ samples: [Float], at speed: Float) -> [Float] {
    let count = Int(Float(samples.count - 1) / speed)
    return (0..<max(count, 0)).map { i in
      let at = Float(i) * speed
      let low = min(Int(at), samples.count - 2)
      return samples[low] + (at - Float(low)) * (samples[low + 1] - samples[low])
    }
  }

  public func run(_ rollout: Rollout<Float>, epoch: Int, index: Int) throws -> BatchResult {
    let n = options.batchSize
    let sounds = (0..<n).map { sound(epoch: epoch, index: index * n + $0) }
    rollout.begin(resetsStates: true)
    let y = try rollout.call(
      nil, [BatchTensor([n, options.samples], sounds.flatMap(\.samples))])[0]
    let (steps, classes) = (y.shape[0], y.shape[2])
    guard classes == characters.count + 1, y.shape[1] == n else {
      throw TrainingError("the network's output is \(y.shape); it must be [steps, \(n), \(characters.count + 1)]")
    }
    let losses = CTCLoss().evaluate(
      y.data, steps: steps, classes: classes, labels: sounds.map(\.labels),
      gradient: rollout.isTraining ? y.gradient : nil, scale: 1 / Double(n))
    if !rollout.isTraining {
      for (i, sound) in sounds.enumerated() {
        let found = CTCDecoder().bestPath(
          y.data + i * classes, steps: steps, classes: classes, stride: n * classes)
        pairs.append((found, sound.labels))
      }
      if index == 0, let first = sounds.first {
        heard = (
          String(first.labels.map { characters[$0 - 1] }),
          (0..<steps).map { softmax(y.data + $0 * n * classes, classes) }
        )
      }
    }
    // Sounds that are too short for their labels teach nothing.
    let known = losses.filter(\.isFinite)
    return BatchResult(
      loss: known.reduce(0, +) / Double(max(1, known.count)), count: Double(known.count))
  }

  private func softmax(_ logits: UnsafePointer<Float>, _ count: Int) -> [Float] {
    let greatest = (0..<count).map { logits[$0] }.max() ?? 0
    let powers = (0..<count).map { exp(logits[$0] - greatest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  public func beginEvaluation() {
    pairs = []
    heard = nil
  }

  /// When each letter of the first sound is heard: CTC's alignment, the blank in the first row.
  public var figures: [ReportFigure] {
    guard let heard else { return [] }
    // Letters in the order in which they are said.
    var labels: [Int] = [0]
    for character in heard.text {
      if let label = labelOf[character], !labels.contains(label) { labels.append(label) }
    }
    let names = labels.map { label in
      guard label > 0 else { return "blank" }
      return characters[label - 1] == " " ? "␣" : String(characters[label - 1])
    }
    let rows = labels.map { label in heard.probabilities.map { $0[label] } }
    return [
      ReportFigure(
        title: "Letters as they are heard",
        svg: HeatMap(rows, columnTitle: "“\(heard.text)”, in steps of 20 ms", rowNames: names).svg)
    ]
  }

  public func measures() -> [Measure] {
    func words(_ labels: [Int]) -> [Substring] {
      String(labels.map { characters[$0 - 1] }).split(separator: " ")
    }
    return [
      Measure("label error", labelErrorRate(pairs), isBetterWhenHigher: false),
      Measure(
        "word error", labelErrorRate(pairs.map { (found: words($0.found), wanted: words($0.wanted)) }),
        isBetterWhenHigher: false),
    ]
  }
}
