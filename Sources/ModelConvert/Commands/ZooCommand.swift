import ArgumentParser
import Graph
import NumPyFile
import Training
import Zoo

struct ZooCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "zoo",
    abstract: "List the published networks, or write one.",
    discussion: """
      Without a name, every network with its parameters and multiply-accumulates (MACs), the recipes in \
      recipes/ that train it, and what these reached on data held out. Classifiers and detectors are \
      counted at their papers' size, many of their recipes are narrower and for smaller pictures; the \
      others at their recipes' size. MACs are of one sample: a picture, a film, a second of sound, or a \
      step of a sequence.

      With a name, the network as it is deployed, with its initial weights, is written.

      EXAMPLES
        model-convert zoo
        model-convert zoo --family memory
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

  @Option(
    help: ArgumentHelp(
      "List one family: \(ZooNetwork.Family.allCases.map(\.rawValue).joined(separator: ", ")).",
      valueName: "family"))
  var family: ZooNetwork.Family?

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
    if family != nil && network != nil { throw ValidationError("--family is for the list") }
  }

  func run() throws {
    do {
      guard let network, let output else { return try list() }
      guard let found = zooCatalogue.first(where: { $0.name == network }) else {
        let hint =
          suggestion(for: network, among: zooCatalogue.map(\.name)).map { "did you mean '\($0)'?" }
          ?? "'model-convert zoo' lists all"
        throw Failure("zoo: there is no '\(network)'; \(hint)")
      }
      if classes != nil && found.classes == 0 {
        throw Failure("zoo: '\(network)' has no classes; leave out --classes")
      }
      let graph = try found.graph(classes ?? found.classes, seed)
      let bytes = try graph.encode()
      try writeBytes(bytes, toFile: output)
      print("\(output): \(graph.parameterCount) parameters, \(bytesText(bytes.count))")
    } catch let failure as Failure { throw failure } catch { throw Failure("\(error)") }
  }

  private struct Row: Encodable {
    var name: String
    var family: String
    var paper: String
    /// Without the batch and the dimensions that are free.
    var input: [Int]
    var parameters: Int
    var macs: Int
    var recipe: String?
    /// By the recipe.
    var reached: String?
    /// Recipes that train it on something else, or otherwise.
    var others: [Other]?

    struct Other: Encodable {
      var recipe: String
      var reached: String?
    }
  }

  private func list() throws {
    let networks = zooCatalogue.filter { family == nil || $0.family == family }
    let all = try networks.map { ($0, try $0.size(classes: $0.classes > 0 ? classes : nil)) }
    if json { return try printJSON(all.map(row)) }
    var table = Table([
      ("network", .left), ("input", .left), ("parameters", .right), ("MACs", .right),
      ("recipe", .left), ("reached", .left), ("paper", .left),
    ])
    var last = all.first?.0.family
    for (network, size) in all {
      if network.family != last { table.appendRule() }
      last = network.family
      let row = row(network, size)
      table.append(
        row.name, sample(size.input).map { "\($0)" }.joined(separator: " × "),
        "\(row.parameters)", countText(row.macs), row.recipe ?? "", row.reached ?? "", row.paper)
      for other in row.others ?? [] {
        table.append("", "", "", "", other.recipe, other.reached ?? "", "")
      }
    }
    table.print()
  }

  private func row(_ network: ZooNetwork, _ size: ZooNetwork.Size) -> Row {
    Row(
      name: network.name, family: network.family.rawValue, paper: network.paper,
      input: size.input.dropFirst().compactMap(\.fixed), parameters: size.parameters,
      macs: size.multiplyAccumulates,
      recipe: network.recipe.isEmpty ? nil : "recipes/\(network.recipe).yaml",
      reached: network.reached,
      others: network.otherRecipes.isEmpty
        ? nil
        : network.otherRecipes.map {
          Row.Other(recipe: "recipes/\($0.name).yaml", reached: $0.reached)
        })
  }

  /// The shape without its batch: a leading N or 1, or a 1 behind the steps.
  private func sample(_ shape: [Dimension]) -> [Dimension] {
    guard let first = shape.first, shape.count > 1 else { return shape }
    if first == .free("N") || first == .fixed(1) { return Array(shape.dropFirst()) }
    return shape[1] == .fixed(1) ? [first] + shape.dropFirst(2) : shape
  }
}

extension ZooNetwork.Family: ExpressibleByArgument {}
