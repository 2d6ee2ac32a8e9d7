import Foundation
import Graph
import Testing
import Training
import Zoo

/// A folder that is gone afterwards.
private func withFolder(_ body: (String) throws -> Void) throws {
  let folder = NSTemporaryDirectory() + "apus-\(UUID().uuidString)"
  try FileManager.default.createDirectory(
    atPath: folder + "/84/121", withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  try body(folder)
}

/// 8-bit PCM.
private func wav(_ samples: [UInt8], rate: UInt32 = 8_000) -> [UInt8] {
  func bytes<T: FixedWidthInteger>(_ x: T) -> [UInt8] {
    withUnsafeBytes(of: x.littleEndian) { Array($0) }
  }
  let format =
    bytes(UInt16(1)) + bytes(UInt16(1)) + bytes(rate) + bytes(rate) + bytes(UInt16(1))
    + bytes(UInt16(8))
  return Array("RIFF".utf8) + bytes(UInt32(36 + samples.count)) + Array("WAVEfmt ".utf8)
    + bytes(UInt32(16)) + format + Array("data".utf8) + bytes(UInt32(samples.count)) + samples
}

private func write(_ text: String, _ path: String) throws {
  try Data(text.utf8).write(to: URL(fileURLWithPath: path))
}

private func write(_ bytes: [UInt8], _ path: String) throws {
  try Data(bytes).write(to: URL(fileURLWithPath: path))
}

@Test func librispeechsTranscriptsAreRead() throws {
  try withFolder { folder in
    try write("84-121-0000 GO DO YOU HEAR\n84-121-0001 BUT\n", folder + "/84/121/84-121.trans.txt")
    try write(wav([128, 192, 64, 128]), folder + "/84/121/84-121-0000.wav")
    try write(wav([0, 255]), folder + "/84/121/84-121-0001.wav")
    let corpus = try SpeechCorpus(contentsOf: folder)
    #expect(corpus.speakers == ["84"] && corpus.rate == 8_000)
    #expect(corpus.utterances.map(\.text) == ["go do you hear", "but"])
    #expect(corpus.utterances[0].samples == [0, 0.5, -0.5, 0])
    #expect(String(corpus.alphabet) == " abdeghortuy")

    try write("84-121-0000\n", folder + "/84/121/84-121.trans.txt")
    do {
      _ = try SpeechCorpus(contentsOf: folder)
      Issue.record("the line has no text")
    } catch {
      #expect("\(error)" == "\(folder)/84/121/84-121.trans.txt:1: not an ID and a text")
    }
  }
}

@Test func timitsWordsAreRead() throws {
  try withFolder { folder in
    try write("0 2 she\n2 3 had\n", folder + "/84/a.wrd")
    try write(wav([128, 192, 64, 128]), folder + "/84/a.wav")
    let corpus = try SpeechCorpus(contentsOf: folder)
    #expect(corpus.utterances.map(\.text) == ["she", "had"] && corpus.speakers == ["a"])
    #expect(corpus.utterances.map(\.samples) == [[0, 0.5], [-0.5]])
    try write("0 5 she\n", folder + "/84/a.wrd")
    do {
      _ = try SpeechCorpus(contentsOf: folder)
      Issue.record("the sound is shorter")
    } catch {
      #expect("\(error)" == "\(folder)/84/a.wrd:1: samples 0 to 5 of a sound that has 4")
    }
    try write("0 2 she\n", folder + "/84/a.wrd")
    try write("0 1 no\n", folder + "/84/b.wrd")
    try write(wav([128], rate: 16_000), folder + "/84/b.wav")
    #expect(throws: DataError.self) { try SpeechCorpus(contentsOf: folder) }
  }
}

/// Chunks of any number of steps give what the whole sound gives at once.
@Test func streamingIsTheWholeAtOnce() throws {
  var net = DeepSpeech(classes: 5)
  (net.filters, net.hiddenSize, net.isStreaming) = (6, 7, true)
  let graph = try net.graph()
  var random = RandomSource(seed: 1)
  let sound = (0..<10 * net.stepSamples).map { _ in random.float(-0.5, 0.5) }
  func run(_ steps: [Int]) throws -> [Float] {
    let network = try Network<Float>(graph)
    var result: [Float] = []
    var at = 0
    for count in steps {
      let n = count * net.stepSamples
      let program = try network.program([[1, n]], isTraining: false)
      program.inputs[0].values = Array(sound[at..<at + n])
      program.forward()
      #expect(program.outputs[0].shape == [count, 1, 5])
      result += program.outputs[0].values
      program.carryStates()
      at += n
    }
    return result
  }
  let whole = try run([10])
  for steps in [[1, 1, 3, 5], [4, 6], [Int](repeating: 1, count: 10)] {
    for (a, b) in zip(try run(steps), whole) { #expect(abs(a - b) < 1e-5) }
  }
}

/// The numbers of trainable parameters, layer by layer.
@Test func deepSpeechHasItsParameters() throws {
  var net = DeepSpeech(classes: 17)
  (net.filters, net.hiddenSize, net.layers) = (64, 80, 2)
  func count(_ graph: Graph) -> Int {
    graph.weights.filter(\.isTrainable).reduce(0) { $0 + ($1.count ?? 0) }
  }
  let front = 2 * 40 + 64 * 40 * 5 + 64
  func layer(_ inputs: Int) -> Int { 3 * 80 * (inputs + 80 + 2) }
  #expect(try count(net.graph()) == front + 2 * layer(64) + 2 * layer(160) + 161 * 17)
  net.isStreaming = true
  #expect(try count(net.graph()) == front + layer(64) + layer(80) + 81 * 17)
}
