import ArgumentParser
import Foundation
import Graph
import NumPyFile
import Zoo

struct ZooCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "zoo",
    abstract: "List the published networks, or write one.",
    discussion: """
      Without a name, every network with its parameters and multiply-accumulates (MACs) at its paper's \
      size, and the recipe in recipes/ that trains it, many of them narrower and on smaller pictures.

      With a name, the network as it is deployed, with its initial weights, is written.

      EXAMPLES
        model-convert zoo
        model-convert zoo resnet-50 -o resnet50.apus --classes 10
      """)

  @Argument(help: "The network to write.")
  var network: String?

  @Option(name: .shortAndLong, help: "The model to write.", completion: .file(extensions: ["apus"]))
  var output: String?

  @Option(help: ArgumentHelp("Classes, in place of the paper's.", valueName: "n"))
  var classes: Int?

  @Option(help: ArgumentHelp("Seed of the initial weights.", valueName: "n"))
  var seed: UInt64 = 1

  @Flag(help: "Print the list as JSON.")
  var json = false

  mutating func validate() throws {
    if let classes, classes < 1 || classes > 1 << 20 {
      throw ValidationError("--classes: \(classes); it must be 1 to 1048576")
    }
    if (network == nil) != (output == nil) {
      throw ValidationError("a network to write has a name and a file: zoo NAME -o FILE")
    }
    if json && network != nil { throw ValidationError("--json is for the list") }
  }

  func run() throws {
    do {
      guard let network, let output else { return try list() }
      guard let found = zooNetworks.first(where: { $0.name == network }) else {
        throw Failure("zoo: there is no '\(network)'; 'model-convert zoo' lists all")
      }
      let graph = try found.graph(classes ?? found.classes, seed)
      let bytes = try graph.encode()
      try writeBytes(bytes, toFile: output)
      print("\(output): \(graph.parameterCount) parameters, \(bytesText(bytes.count))")
    } catch let failure as Failure { throw failure } catch { throw Failure("\(error)") }
  }

  private struct Row: Encodable {
    var name: String
    var paper: String
    var input: [Int]
    var parameters: Int
    var macs: Int
    var recipe: String?
  }

  private func list() throws {
    let rows = try zooNetworks.map { network in
      let graph = try GraphBuilder.$drawsWeights.withValue(false) {
        try network.graph(classes ?? network.classes, seed)
      }
      let main = graph.mainFunction!
      return Row(
        name: network.name, paper: network.paper,
        input: (main.inputs[0].shape ?? []).dropFirst().compactMap(\.fixed),
        parameters: graph.parameterCount, macs: try graph.multiplyAccumulates(main),
        recipe: network.recipe.isEmpty ? nil : "recipes/\(network.recipe).yaml")
    }
    if json { return try printJSON(rows) }
    var table = Table([
      ("network", .left), ("input", .left), ("parameters", .right), ("MACs", .right),
      ("recipe", .left), ("paper", .left),
    ])
    for row in rows {
      table.append(
        row.name, row.input.map(String.init).joined(separator: " × "), "\(row.parameters)",
        countText(row.macs), row.recipe ?? "", row.paper)
    }
    table.print()
  }
}
