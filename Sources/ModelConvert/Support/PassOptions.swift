import ArgumentParser
import Graph

/// Which rewrites a graph gets.
struct PassOptions: ParsableArguments {
  @Option(
    name: .customLong("without-pass"),
    help: ArgumentHelp(
      "Leave out a graph pass, once for each; 'all' leaves out every one ('inspect --passes' lists "
        + "them).",
      valueName: "name"))
  var without: [String] = []

  var passes: [GraphPass] {
    without.contains("all") ? [] : graphPasses.filter { !without.contains($0.name) }
  }

  mutating func validate() throws {
    for name in without where name != "all" && !graphPasses.contains(where: { $0.name == name }) {
      throw ValidationError(
        "--without-pass: there is no pass \(name); there are "
          + graphPasses.map(\.name).joined(separator: ", "))
    }
  }
}
