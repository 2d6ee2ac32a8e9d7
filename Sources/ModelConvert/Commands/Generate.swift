import ArgumentParser
import Foundation
import ModelFormat
import Operators
import Runtime

struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write text with a character model.",
    discussion: """
      The model reads the prompt, one token a run, then writes: each token is drawn from what the \
      model says of the next one, and is what it reads next. What it remembers is state of the \
      model. Its metadata entry "characters" says which ones it knows; without it tokens are bytes.

      The same model, prompt, temperature and seed give the same text: the one that \
      examples/char_rnn.c and examples/generate.py write too.

      EXAMPLES
        model-convert generate char-rnn.apus --length 1000
        model-convert generate char-rnn.apus --prompt 'func ' --temperature 0.5 --seed 7
      """)

  @Argument(help: "The model.", completion: .file(extensions: ["apus"]))
  var model: String

  @Option(
    help: ArgumentHelp(
      "What the model reads first, and is printed first; default: a line break.",
      valueName: "text"))
  var prompt: String?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Tokens to write.", valueName: "n"))
  var length = 500

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "1 draws as the model says, less is more careful, 0 always takes the likeliest.",
      valueName: "t"))
  var temperature = 0.8

  @Option(help: ArgumentHelp("Of what is drawn.", valueName: "n"))
  var seed: UInt64 = 1

  @OptionGroup var threads: ThreadOptions

  mutating func validate() throws {
    if length < 0 { throw ValidationError("--length: \(length); it must not be below 0") }
    if !(temperature >= 0) || temperature.isInfinite {
      throw ValidationError("--temperature: \(temperature); it must be a number from 0 on")
    }
    if prompt == "" { throw ValidationError("--prompt: it is empty; the model must read something") }
  }

  func run() throws {
    let opened = try OpenedModel(path: model, isa: nil)
    let plan = try opened.plan(opened.model.defaultFunction, threads: threads.threads)
    let writer = try TextGenerator(opened, opened.session(plan), plan)
    for token in writer.vocabulary.tokens(prompt ?? "\n") { try writer.read(token) }
    if let prompt { FileHandle.standardOutput.write(Data(prompt.utf8)) }
    var sampler = TokenSampler(seed: seed)
    for _ in 0..<length {
      let token = sampler.draw(writer.logits, temperature: temperature)
      FileHandle.standardOutput.write(Data(writer.vocabulary.bytes(token)))
      try writer.read(Int32(token))
    }
    FileHandle.standardOutput.write(Data([UInt8(ascii: "\n")]))
  }
}
