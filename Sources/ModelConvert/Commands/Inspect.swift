import ArgumentParser
import Foundation
import Runtime

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show a model's layers, sizes, memory and every byte of its file.",
    discussion: """
      Layers with their output shapes, parameters, multiply-accumulates (MACs) and bytes; the \
      functions with their inputs, outputs and states; the arena beside the lower bound, which is \
      the most bytes of tensors alive at once; the file by section.

      EXAMPLES
        model-convert inspect net.apus --input-shape image=8,1,32,32 --html net.html
        model-convert inspect --passes
      """)

  @Argument(help: "The model file.", completion: .file(extensions: ["apus"]))
  var model: String?

  @OptionGroup var options: FunctionOptions
  @OptionGroup var shapes: ShapeOptions
  @OptionGroup var threads: ThreadOptions

  @Flag(help: "Print one JSON object on stdout.")
  var json = false

  @Flag(help: "List the graph passes, and what they changed in the model if one is given.")
  var passes = false

  @Option(
    help: ArgumentHelp(
      "Write a page with the graph and the arena drawn; it needs nothing else.",
      valueName: "page.html"),
    completion: .file(extensions: ["html"]))
  var html: String?

  mutating func validate() throws {
    guard passes || model != nil else {
      throw ValidationError("Missing expected argument '<model>'")
    }
  }

  func run() throws {
    let opened = try model.map { try OpenedModel(path: $0, isa: options.isa) }
    if passes {
      let table = PassTable(metadata: opened?.metadata)
      return json ? try printJSON(table) : table.print()
    }
    if let opened { try inspect(opened) }
  }

  private func inspect(_ opened: OpenedModel) throws {
    let f = try opened.functionIndex(options.function)
    var plan: Plan?
    var planError: String?
    do {
      plan = try opened.plan(f, shapes: shapes.shapes, threads: threads.threads)
    } catch let failure as Failure where shapes.shapes.isEmpty {
      // Free dimensions taken as 1 may be too small for the network: the file can be shown anyway.
      planError = failure.message
      writeError(
        "model-convert: \(failure.message); shapes and memory are left out (--input-shape gives "
          + "free dimensions a size)")
    }
    let builder = SummaryBuilder(opened: opened, functionIndex: f, plan: plan)
    let summary = builder.build(planError: planError)
    if let html {
      let page = ModelPage(summary: summary, graph: builder.graph())
      do {
        try Data(page.text.utf8).write(to: URL(fileURLWithPath: html))
      } catch {
        throw Failure("\(html): the page cannot be written there")
      }
    }
    if json {
      try printJSON(summary)
    } else {
      SummaryText.print(summary)
    }
    if let html { writeError("model-convert: wrote \(html)") }
  }
}
