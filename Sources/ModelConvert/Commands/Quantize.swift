import ArgumentParser

struct Quantize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make an int8 model of a float32 model (not in this version).",
    discussion: """
      Not in this version. It will run the model over calibration data, choose a scale for every \
      tensor and write a model that computes in int8.

      EXAMPLE
        model-convert quantize net.apus --calibrate digits.npz -o net.int8.apus
      """)

  @Argument(help: "The float32 model.", completion: .file(extensions: ["apus"]))
  var model: String

  @Option(help: "Inputs like those that the model will see (.npz).")
  var calibrate: String

  @Option(name: .shortAndLong, help: "The int8 model to write.")
  var output: String

  func run() throws {
    throw Failure("quantize is not in this version; it comes with the int8 kernels")
  }
}
