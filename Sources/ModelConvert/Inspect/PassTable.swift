import Graph

/// `inspect --passes`: every graph pass, and what each changed in a model where one is given.
struct PassTable: Encodable {
  struct Row: Encodable {
    let name: String
    let summary: String
    /// Missing where there is no model.
    let changes: Int?
  }

  let passes: [Row]

  /// - Parameter metadata: the model's; nil where none is given.
  init(metadata: [(key: String, value: String)]?) {
    let text = metadata?.first { $0.key == Graph.passesKey }?.value
    let report = PassReport(text ?? "")
    passes = graphPasses.map { pass in
      Row(
        name: pass.name, summary: pass.summary,
        changes: metadata.map { _ in report.changes.first { $0.pass == pass.name }?.count ?? 0 })
    }
  }

  func print() {
    var table = Table([("pass", .left), ("what it does", .left)])
    if passes.contains(where: { $0.changes != nil }) {
      table = Table([("pass", .left), ("changes", .right), ("what it does", .left)])
    }
    for row in passes {
      table.append([row.name] + (row.changes.map { [$0 == 0 ? "" : "\($0)"] } ?? []) + [row.summary])
    }
    table.print()
  }
}
