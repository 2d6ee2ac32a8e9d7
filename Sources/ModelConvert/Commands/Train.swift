import ArgumentParser

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a network as a recipe says (not in this version).",
    discussion: """
      EXAMPLE
        model-convert train lenet5.yaml -o lenet5.apus
      """)

  @Argument(help: "The recipe.", completion: .file(extensions: ["yaml", "yml"]))
  var recipe: String

  @Option(name: .shortAndLong, help: "The model to write.")
  var output: String

  func run() throws {
    throw Failure("train is not in this version")
  }
}
