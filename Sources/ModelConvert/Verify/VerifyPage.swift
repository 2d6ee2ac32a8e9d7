import Foundation

/// `verify --html`: one page that needs nothing else.
struct VerifyPage {
  let result: VerifyResult

  var text: String {
    let title = URL(fileURLWithPath: result.model).lastPathComponent
    let reference = URL(fileURLWithPath: result.against).lastPathComponent
    let equalized = result.againstEqualized == true ? ", its channels equalised as the model's" : ""
    return page(
      title: "\(title) against \(reference)", css: HeatStrip.css,
      body: """
        <header><h1>\(escaped(title))</h1>\
        <p>against <b>\(escaped(reference))</b>\
        \(equalized)  ·  kernels \(result.isa) and \(result.againstIsa)\
        \(result.steps.map { "  ·  \($0) steps" } ?? "")</p></header>
        \(tiles)
        <section class="card"><div class="cardhead"><h2>SQNR by layer</h2>\
        <div class="legend">\(HeatStrip.legend)</div></div>\
        <p class="note">Layers from left to right as they run.</p>
        \(HeatStrip(rows: result.tensors).svg)</section>
        \(table)
        """)
  }

  // MARK: Top

  private var tiles: String {
    let rows = result.tensors
    var tiles = [tile("Tensors", String(rows.count), "compared")]
    if let worst = rows.min(by: { $0.sqnrOrder < $1.sqnrOrder }) {
      tiles.append(tile("Worst", worst.sqnrText, worst.name))
    }
    if let last = rows.last { tiles.append(tile("Last", last.sqnrText, last.name)) }
    if let least = result.leastSqnrDb {
      let bad = rows.filter { $0.quantized?.bad ?? false }.count
      tiles.append(tile("Bad layers", String(bad), "least SQNR \(valueText(least)) dB"))
    } else {
      let beyond = rows.filter { !$0.withinTolerance }.count
      tiles.append(
        tile(
          "Beyond the tolerance", String(beyond),
          result.tolerance.map { "of \(VerifyResult.scientific($0))" } ?? ""))
    }
    return "<section class=\"tiles\">\(tiles.joined())</section>"
  }

  // MARK: Table

  private var table: String {
    let columns = VerifyText.columns.filter { result.isQuantized || !$0.isOfBytes }
    let head = columns.map { "<th\($0.isText ? "" : " class=\"n\"")>\($0.title)</th>" }.joined()
    let rows = result.inOrder.map { row -> String in
      let cells = zip(VerifyText.columns, VerifyText.cells(row))
        .filter { result.isQuantized || !$0.0.isOfBytes }
        .map { column, cell -> String in
          let dot = column.title == "SQNR" ? "<i class=\"dot \(HeatStrip.kind(row))\"></i>" : ""
          return "<td\(column.isText ? "" : " class=\"n\"")>\(dot)\(escaped(cell))</td>"
        }
      let layer = row.layer.map { " data-layer=\"\($0)\"" } ?? ""
      let causes = row.quantized?.causes ?? []
      let why =
        causes.isEmpty
        ? ""
        : "<tr class=\"why\"\(layer)><td></td><td colspan=\"\(columns.count - 1)\">"
          + causes.map(escaped).joined(separator: "<br>") + "</td></tr>"
      return "<tr\(causes.isEmpty ? "" : " class=\"bad\"")\(layer)>\(cells.joined())</tr>\(why)"
    }
    let lines = result.unmatched.map { escaped("No counterpart: \($0)") }.joined(separator: "<br>")
    let notes = lines.isEmpty ? "" : "<p class=\"note\">\(lines)</p>"
    return """
      <section class="card"><h2>Layers\(result.isSorted ? ", the worst first" : "")</h2>\
      <div class="scroll"><table><thead><tr>\(head)</tr></thead>
      <tbody>\(rows.joined(separator: "\n"))</tbody></table></div>
      \(notes)</section>
      """
  }
}
