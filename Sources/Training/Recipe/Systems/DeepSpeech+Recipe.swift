import Graph
import Zoo

/// Speech to letters: see docs/training.md.
struct SpeechSystem: RecipeSystem {
  static let recipeName = "deep-speech"
  static let recipeKeys = [
    "cell", "filters", "hidden_size", "layers", "dropout", "bands", "streaming", "beams", "longest",
  ]
  static let dataKeys = ["path", "test_speakers", "seconds", "noise", "speed", "sounds", "test_sounds"]

  private var net = DeepSpeech(classes: 1)
  private let beams: Int
  private let longest: Int
  private let data: RecipeSection
  private let path: String
  private let testSpeakers: [String]
  private let seconds: Double
  private let noise: Float
  private let speed: Float
  private let sounds: Int
  private let testSounds: Int

  init(model: RecipeSection, data: RecipeSection) throws {
    let cells = RecurrentCell.allCases.map { $0.rawValue.lowercased() }
    if let word = try model.choice("cell", cells) {
      net.cell = RecurrentCell.allCases.first { $0.rawValue.lowercased() == word }!
    }
    net.filters = try model.integer("filters", 1...4_096) ?? net.filters
    net.hiddenSize = try model.integer("hidden_size", 1...8_192) ?? net.hiddenSize
    net.layers = try model.integer("layers", 1...16) ?? net.layers
    net.dropout = try model.dropout()
    net.features.bands = try model.integer("bands", 1...256) ?? net.features.bands
    net.isStreaming = try model.bool("streaming") ?? false
    beams = try model.integer("beams", 1...256) ?? 16
    longest = try model.integer("longest", 1...10_000) ?? 128
    self.data = data
    path = data.resolve(try data.required("path", data.string("path")))
    testSpeakers = try data.required("test_speakers", data.strings("test_speakers"))
    seconds = try data.number("seconds", "from 0.1 to 60") { $0 >= 0.1 && $0 <= 60 } ?? 2
    noise = Float(try data.number("noise", "from 0 to 1") { $0 >= 0 && $0 <= 1 } ?? 0.02)
    speed = Float(try data.number("speed", "from 0 to 0.5") { $0 >= 0 && $0 <= 0.5 } ?? 0.15)
    sounds = try data.integer("sounds", 1...10_000_000) ?? 400
    testSounds = try data.integer("test_sounds", 1...10_000_000) ?? 200
  }

  var hasValidation: Bool { false }

  func job(_ settings: SystemSettings) throws -> TrainingJob {
    let path = settings.dataPath ?? self.path
    let corpus = try SpeechCorpus(contentsOf: path)
    for name in testSpeakers where !corpus.speakers.contains(name) {
      throw data.error("test_speakers", "data.test_speakers: \(path) has no speaker '\(name)'")
    }
    let speakers = corpus.speakers.filter { !testSpeakers.contains($0) }
    guard !speakers.isEmpty else {
      throw data.error("test_speakers", "data.test_speakers: nobody is left to train on")
    }
    var net = net
    net.classes = corpus.alphabet.count + 1
    net.seed = settings.seed
    net.features = features(rate: corpus.rate)
    var options = SpeechTask.Options()
    options.stepSamples = net.stepSamples
    options.samples = Int(seconds * Double(corpus.rate)) / net.stepSamples * net.stepSamples
    options.pause = corpus.rate / 20...corpus.rate * 3 / 10
    options.noise = noise
    options.speed = speed
    options.batchSize = settings.batchSize
    options.count = sounds
    options.seed = settings.seed
    let training = SpeechTask(corpus, speakers: speakers, options: options, isTraining: true)
    options.count = testSounds
    options.seed = 0
    let test = SpeechTask(corpus, speakers: testSpeakers, options: options, isTraining: false)
    return TrainingJob(graph: try net.graph(batch: settings.batchSize), training: training, test: test) {
      [net, beams, longest] trained in
      let graph = try TrainedModel.export(
        trained, into: net.recogniser(beams: beams, length: longest), name: settings.name)
      graph.setMetadata("characters", String(corpus.alphabet))
      graph.setMetadata("rate", String(corpus.rate))
      return graph
    }
  }

  /// Frames of 25 ms, one every 10 ms.
  private func features(rate: Int) -> LogMel {
    var mel = net.features
    mel.rate = rate
    mel.frame = rate / 40
    mel.hop = rate / 100
    mel.transform = 1
    while mel.transform < mel.frame { mel.transform *= 2 }
    mel.highest = Double(rate) / 2
    return mel
  }
}
