import ArgumentParser

struct Import: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make an .apus model of an ONNX model (not in this version).",
    discussion: """
      Not in this version. It will read ONNX files, fold and fuse what can be, and write an .apus \
      model that computes the same.

      EXAMPLE
        model-convert import net.onnx -o net.apus --input-shape x=1,3,224,224
      """)

  @Argument(help: "The ONNX model.", completion: .file(extensions: ["onnx"]))
  var model: String

  @Option(name: .shortAndLong, help: "The .apus model to write.")
  var output: String

  @OptionGroup var shapes: ShapeOptions

  @Option(help: "The type in which weights are stored: f32 or f16.")
  var weights = "f32"

  func run() throws {
    throw Failure(
      "import is not in this version; it comes with the ONNX reader. "
        + "Today 'model-convert train' makes .apus models")
  }
}
