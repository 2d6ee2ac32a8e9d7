import ArgumentParser
import Graph
import NumPyFile
import ONNX

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write an .apus model as ONNX.",
    discussion: """
      Every operator is written as the ONNX operator of its name; what ONNX lacks is taken apart into \
      operators that it has, or refused by name. A state h becomes an input h, whose default is the \
      state's initial value, and an output h.next. Quantised layers are written in the QDQ form.

      EXAMPLE
        model-convert export net.apus -o net.onnx
      """)

  @Argument(help: "The .apus model.", completion: .file(extensions: ["apus"]))
  var model: String

  @Option(
    name: .shortAndLong, help: "The ONNX model to write.", completion: .file(extensions: ["onnx"]))
  var output: String

  @Option(help: "The function to take; without it 'main', or the first.")
  var function: String?

  @Flag(
    help: """
      Write quantised layers as QLinearConv and the like, some of them ONNX Runtime's own \
      (com.microsoft), in place of the QDQ form.
      """)
  var integerOperators = false

  func run() throws {
    let opened = try OpenedModel(path: model, isa: nil)
    let index = try opened.functionIndex(function)
    do {
      let graph = try Graph(decoding: opened.file)
      let bytes = try Exporter(
        graph, function: graph.functions[index], writesPairs: !integerOperators
      ).run()
      try writeBytes(bytes, toFile: output)
      print("\(output): \(graph.functions[index].nodes.count) nodes, \(bytesText(bytes.count))")
    } catch let error as NumPyError {
      throw Failure("\(error)")
    } catch {
      throw Failure("\(model): \(printableLines("\(error)"))")
    }
  }
}
