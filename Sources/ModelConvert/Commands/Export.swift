import ArgumentParser

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write an .apus model as ONNX (not in this version).",
    discussion: """
      Not in this version. It will write every operator as the ONNX operator of its name.

      EXAMPLE
        model-convert export net.apus -o net.onnx
      """)

  @Argument(help: "The .apus model.", completion: .file(extensions: ["apus"]))
  var model: String

  @Option(name: .shortAndLong, help: "The ONNX model to write.")
  var output: String

  func run() throws {
    throw Failure("export is not in this version; it comes with the ONNX writer")
  }
}
