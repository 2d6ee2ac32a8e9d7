import ArgumentParser
import Foundation
import Graph
import NumPyFile
import ONNX

struct Import: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make an .apus model of an ONNX model.",
    discussion: """
      Reads opsets up to 28. Names of inputs and outputs stay; free dimensions stay free unless \
      --input-shape binds them. Floats of other sizes are computed as float32.

      Graph passes make the network smaller and faster without changing its results, and what each \
      changed is printed ('inspect --passes' lists them).

      Where something cannot be imported, the report names every node that stands in the way and \
      nothing is written.

      EXAMPLES
        model-convert import net.onnx -o net.apus --input-shape x=1,3,224,224
        model-convert import speech.onnx -o speech.apus --state h0=hn --state c0=cn
        model-convert import net.onnx --check
      """)

  @Argument(help: "The ONNX model.", completion: .file(extensions: ["onnx"]))
  var model: String

  @Option(
    name: .shortAndLong, help: "The .apus model to write.", completion: .file(extensions: ["apus"]))
  var output: String?

  @Option(
    name: .customLong("input-shape"),
    help: ArgumentHelp(
      "The shape of an input, once for each whose free dimensions are to be bound.",
      valueName: "name=1,3,224,224"))
  var shapes: [InputShapeArgument] = []

  @Option(
    name: .customLong("input-value"),
    help: ArgumentHelp(
      "Makes an input a constant of the model.", valueName: "name=file.npy"),
    completion: .file(extensions: ["npy"]))
  var values: [InputArgument] = []

  @Option(
    name: .customLong("state"),
    help: ArgumentHelp(
      "Makes an input and the output that it is to take its next value from a state of the session.",
      valueName: "input=output"))
  var states: [StateArgument] = []

  @Option(
    name: .customLong("keep-output"),
    help: ArgumentHelp(
      "Makes this tensor an output in place of the model's own, once for each; leaves out the rest.",
      valueName: "name"))
  var keptOutputs: [String] = []

  @Option(help: "The type in which large float weights are stored: f32 or f16.")
  var weights = WeightType.f32

  @OptionGroup var passOptions: PassOptions

  @Flag(help: "Say whether the model can be imported, and write nothing.")
  var check = false

  enum WeightType: String, ExpressibleByArgument, CaseIterable { case f32, f16 }

  mutating func validate() throws {
    guard check || output != nil else {
      throw ValidationError("Missing expected argument '--output <output>'")
    }
    for value in values where value.name == nil {
      throw ValidationError("--input-value: \(value.path); it must be NAME=FILE.npy")
    }
  }

  func run() throws {
    let (importer, graph) = try importGraph()
    let file: [UInt8]
    do { file = try graph.encode() } catch { throw Failure("\(model): \(error)") }
    for note in importer.notes { writeError("model-convert: \(model): \(printable(note))") }
    let passes = importer.passReport.description
    let nodes = graph.functions.reduce(0) { $0 + $1.nodes.count }
    if check {
      print("\(model): can be imported: \(importer.nodeCount) nodes become \(nodes)")
      if !passes.isEmpty { print("passes: \(passes)") }
      return
    }
    guard let output else { return }
    try writeBytes(file, toFile: output)
    print(
      "\(output): \(nodes) nodes of \(importer.nodeCount), \(bytesText(file.count)), opset "
        + (graph.metadata("onnx_opset") ?? "?"))
    if !passes.isEmpty { print("passes: \(passes)") }
  }

  private func importGraph() throws -> (Importer, Graph) {
    var options = ImportOptions()
    options.inputShapes = shapes.map { ($0.name ?? "", $0.dimensions) }
    options.states = states.map { ($0.input, $0.output) }
    options.outputs = keptOutputs
    options.passes = passOptions.passes
    options.halfWeights = weights == .f16
    options.constants = try values.map { try ($0.name!, ConstantFile.value($0.name!, $0.path)) }
    do {
      let importer = try ModelSource.withBytes(model) { bytes in
        try Importer(bytes, folder: folder(of: model), options: options)
      }
      return (importer, try importer.run())
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure("\(model): \(printableLines("\(error)"))")
    }
  }
}

/// `h0=hn`: an input and an output.
struct StateArgument: ExpressibleByArgument {
  let input: String
  let output: String

  init?(argument: String) {
    let parts = argument.split(separator: "=", omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
    input = String(parts[0])
    output = String(parts[1])
  }
}
