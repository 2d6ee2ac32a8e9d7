import ArgumentParser
import Foundation
import Runtime
import Training

struct Transcribe: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write what is said in WAV files.",
    discussion: """
      Runs the function "transcribe" of a recogniser of speech: sound [1, samples] to labels [n], 0 \
      behind the end, and their score. Label i is the i-th character of the metadata entry \
      "characters"; sounds must have as many samples a second as its entry "rate" says. Prints one \
      line for each file.

      EXAMPLES
        model-convert transcribe deep-speech.apus hello.wav
        model-convert transcribe deep-speech.apus *.wav --json
      """)

  @Argument(help: "The model.", completion: .file(extensions: ["apus"]))
  var model: String

  @Argument(help: "The sounds.", completion: .file(extensions: ["wav"]))
  var sounds: [String]

  @Flag(help: "Print one JSON object on stdout.")
  var json = false

  @OptionGroup var threads: ThreadOptions

  func run() throws {
    do {
      let recogniser = try Recogniser(
        OpenedModel(path: model, isa: nil), threads: threads.threads)
      let results = try sounds.map { try recogniser.transcribe($0) }
      if json { return try printJSON(results) }
      for result in results {
        print(sounds.count == 1 ? result.text : "\(result.file): \(result.text)")
      }
    } catch let error as DataError { throw Failure("\(error)") }
  }
}

private struct Transcript: Encodable {
  let file: String
  let text: String
  /// The logarithm of the text's probability, as far as the beams saw it.
  let logProbability: Float
}

/// A model that hears.
private struct Recogniser {
  private let opened: OpenedModel
  private let function: Int
  private let threads: Int
  private let characters: [Character]
  private let rate: Int

  init(_ opened: OpenedModel, threads: Int) throws {
    self.opened = opened
    self.threads = threads
    guard opened.functionNames.contains("transcribe"), let text = opened.metadata("characters"),
      let rate = opened.metadata("rate").flatMap({ Int($0) })
    else {
      throw Failure(
        "\(opened.path): not a recogniser of speech: it must have a function 'transcribe' and say its "
          + "'characters' and its 'rate' (see recipes/deep-speech.yaml)")
    }
    function = try opened.functionIndex("transcribe")
    characters = Array(text)
    self.rate = rate
    let inputs = opened.inputTensors(function)
    guard inputs.count == 1, opened.declaredShape(tensor: inputs[0])?.count == 2,
      opened.outputTensors(function).map({ opened.name(tensor: $0) }) == ["labels", "score"]
    else {
      throw Failure(
        "\(opened.path): its function 'transcribe' must have one input [1, samples] and the outputs "
          + "labels, score")
    }
  }

  func transcribe(_ file: String) throws -> Transcript {
    let sound = try Sound(contentsOf: file)
    guard sound.rate == rate else {
      throw Failure(
        "\(file): \(sound.rate) samples a second, and the model hears \(rate) "
          + "('sox \(file) -r \(rate) NEW.wav' makes them)")
    }
    // A network needs some frames; silence adds no labels.
    let samples = sound.samples + [Float](repeating: 0, count: max(0, rate / 2 - sound.samples.count))
    let name = opened.name(tensor: opened.inputTensors(function)[0])
    let plan = try opened.plan(function, shapes: [(name, [1, samples.count])], threads: threads)
    let session = try opened.session(plan)
    samples.withUnsafeBytes { session.data(input: 0).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    try opened.run(session)
    let labels = UnsafeBufferPointer(
      start: session.data(output: 0).assumingMemoryBound(to: Int32.self),
      count: session.info(output: 0).shape.count)
    let text = String(
      labels.prefix { $0 > 0 }.map { characters.indices.contains(Int($0) - 1) ? characters[Int($0) - 1] : "?" })
    return Transcript(
      file: file, text: text,
      logProbability: session.data(output: 1).assumingMemoryBound(to: Float.self)[0])
  }
}
