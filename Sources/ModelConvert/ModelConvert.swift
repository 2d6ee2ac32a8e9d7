import ArgumentParser

@main
struct ModelConvert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model-convert",
    abstract: "Makes, converts and examines .apus models.",
    subcommands: [
      OperatorsCommand.self
    ])
}
