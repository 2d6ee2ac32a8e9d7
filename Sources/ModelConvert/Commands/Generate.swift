import ArgumentParser
import Foundation
import ModelFormat
import Operators
import Runtime
import Training

struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write text: a character model's, a translation, a caption.",
    discussion: """
      A character model reads the prompt, one token a run, then writes: each token is drawn from \
      what the model says of the next one, and is what it reads next. What it remembers is state of \
      the model. Its metadata entry "characters" says which ones it knows; without it tokens are \
      bytes. The same model, prompt, temperature and seed give the same text: the one that \
      examples/char_rnn.c and examples/generate.py write too.

      A translator writes the translation of --input, a captioner says what is in --image: a PNG or \
      JPEG, which is resized to the network's size. Both take one run; the search for the best text, \
      and how many beginnings it keeps, are part of the model. The metadata entries \
      "source_characters", and "target_characters" or "target_words", say what its tokens are.

      EXAMPLES
        model-convert generate char-rnn.apus --length 1000
        model-convert generate char-rnn.apus --prompt 'func ' --temperature 0.5 --seed 7
        model-convert generate dates.apus --input 'Thursday, July 4, 1996'
        model-convert generate captions.apus --image scene.png
      """)

  @Argument(help: "The model.", completion: .file(extensions: ["apus"]))
  var model: String

  @Option(help: ArgumentHelp("The text to translate.", valueName: "text"))
  var input: String?

  @Option(
    help: ArgumentHelp("The picture to say the caption of.", valueName: "file"),
    completion: .file(extensions: ["png", "jpg", "jpeg"]))
  var image: String?

  @Option(
    help: ArgumentHelp(
      "What a character model reads first, and is printed first; default: a line break.",
      valueName: "text"))
  var prompt: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Tokens that a character model writes; default: 500.", valueName: "n"))
  var length: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      1 draws as the character model says, less is more careful, 0 always takes the likeliest; \
      default: 0.8.
      """, valueName: "t"))
  var temperature: Double?

  @Option(help: ArgumentHelp("Of what is drawn; default: 1.", valueName: "n"))
  var seed: UInt64?

  @OptionGroup var threads: ThreadOptions

  mutating func validate() throws {
    if let length, length < 0 { throw ValidationError("--length: \(length); it must not be below 0") }
    if let temperature, !(temperature >= 0) || temperature.isInfinite {
      throw ValidationError("--temperature: \(temperature); it must be a number from 0 on")
    }
    if prompt == "" { throw ValidationError("--prompt: it is empty; the model must read something") }
    if input == "" { throw ValidationError("--input: it is empty; there is nothing to translate") }
    if input != nil && image != nil {
      throw ValidationError("--input is for a translator, --image for a captioner; give one of them")
    }
  }

  func run() throws {
    do { try generate() } catch let error as Failure { throw error } catch { throw Failure("\(error)") }
  }

  private func generate() throws {
    let opened = try OpenedModel(path: model, isa: nil)
    if let writer = try SequenceWriter(opened) { return try write(writer) }
    if let option = input != nil ? "--input" : image != nil ? "--image" : nil {
      throw Failure(
        "\(model): \(option) is for \(input != nil ? "a translator" : "a captioner"); it says neither "
          + "'target_characters' nor 'target_words' in its metadata")
    }
    let plan = try opened.plan(opened.model.defaultFunction, threads: threads.threads)
    let writer = try TextGenerator(opened, opened.session(plan), plan)
    for token in writer.vocabulary.tokens(prompt ?? "\n") { try writer.read(token) }
    if let prompt { FileHandle.standardOutput.write(Data(prompt.utf8)) }
    var sampler = TokenSampler(seed: seed ?? 1)
    for _ in 0..<(length ?? 500) {
      let token = sampler.draw(writer.logits, temperature: temperature ?? 0.8)
      FileHandle.standardOutput.write(Data(writer.vocabulary.bytes(token)))
      try writer.read(Int32(token))
    }
    FileHandle.standardOutput.write(Data([UInt8(ascii: "\n")]))
  }

  private func write(_ writer: SequenceWriter) throws {
    let drawn = [
      ("--prompt", prompt != nil), ("--length", length != nil), ("--temperature", temperature != nil),
      ("--seed", seed != nil),
    ].first { $0.1 }
    if let drawn {
      throw Failure("\(model): \(drawn.0) is for character models; this one \(writer.work)")
    }
    switch writer.source {
    case .text:
      guard let input else {
        throw Failure("\(model): it translates; give --input TEXT\(image == nil ? "" : ", not --image")")
      }
      let unknown = writer.unknown(in: input).map { "'\(printable(String($0)))'" }
      if !unknown.isEmpty {
        writeError(
          "\(model): it has never seen \(unknown.joined(separator: ", ")) and takes all such "
            + "characters for the same")
      }
      print(try writer.write(input, threads: threads.threads))
    case .image:
      guard let image else {
        throw Failure(
          "\(model): it says what is in a picture; give --image FILE\(input == nil ? "" : ", not --input")")
      }
      print(try writer.write(Image(contentsOf: image), threads: threads.threads))
    }
  }
}
