import Foundation

/// `inspect --html`: one page that needs nothing else.
struct ModelPage {
  let summary: ModelSummary
  let drawing: GraphDrawing

  init(summary: ModelSummary, graph: ModelGraph) {
    self.summary = summary
    drawing = GraphDrawing(graph)
  }

  private var title: String {
    summary.metadata["name"] ?? URL(fileURLWithPath: summary.file).lastPathComponent
  }

  var text: String {
    page(
      title: title,
      body: """
        \(heading)
        \(tiles)
        \(arenaCard)
        \(body)
        """)
  }

  // MARK: Top

  private var heading: String {
    let file = URL(fileURLWithPath: summary.file).lastPathComponent
    let count = summary.functions.count
    let function =
      "function <b>\(escaped(summary.function))</b>" + (count > 1 ? " of \(count)" : "")
    return """
      <header><h1>\(escaped(title))</h1>\
      <p>\(escaped(file))  ·  format \(summary.formatVersion)  ·  \(function)  ·  \
      kernels \(summary.isa)</p></header>
      """
  }

  private var tiles: String {
    var tiles = [
      tile("Layers", String(summary.layers.count), "in \(summary.function)"),
      tile(
        "Parameters", countText(summary.totals.parameters),
        "\(bytesText(summary.totals.weightBytes)) of weights"),
    ]
    if summary.totals.macs > 0 {
      tiles.append(tile("Work", countText(summary.totals.macs), "MACs a run"))
    }
    if let arena = summary.arena {
      tiles.append(
        tile(
          "Arena", bytesText(arena.bytes),
          arena.ratio.map { "\(threeDigits($0)) × the lower bound" } ?? "nothing to hold"))
      if arena.stateBytes > 0 {
        tiles.append(tile("State", bytesText(arena.stateBytes), "kept from run to run"))
      }
    }
    tiles.append(
      tile(
        "File", bytesText(summary.size.fileBytes),
        summary.size.overheadPercent.map { "\(threeDigits($0)) % over the weights" }
          ?? "no weights"))
    return "<section class=\"tiles\">\(tiles.joined())</section>"
  }

  // MARK: Cards

  private var arenaCard: String {
    guard let arena = summary.arena else {
      return """
        <section class="card"><h2>Memory</h2><p class="note">\
        \(escaped(summary.planError ?? ""))</p></section>
        """
    }
    let present = Set(arena.buffers.filter { $0.bytes > 0 }.map(\.kind))
    let legend = ["input", "tensor", "output", "state", "scratch"].filter(present.contains)
      .map { "<span class=\"key \($0)\">\($0)</span>" }.joined()
    return """
      <section class="card"><div class="cardhead"><h2>Memory over one run</h2>\
      <div class="legend">\(legend)</div></div>\
      <p class="note">Steps from left to right, offset in the arena upwards. A rectangle is a \
      buffer from the step that writes it to the last that reads it.</p>
      \(ArenaDrawing(summary, arena).svg)</section>
      """
  }

  /// The graph beside the tables where it is narrow, above them where it is wide.
  private var body: String {
    let graph = """
      <section class="card graphcard"><h2>Graph</h2><div class="scroll">\(drawing.svg)</div>\
      </section>
      """
    let tables = ModelPageTables(summary: summary)
    let cards = tables.layers + tables.functions + tables.file + tables.metadata
    if drawing.width <= 520 {
      return "<div class=\"columns\">\(graph)<div class=\"stack\">\(cards)</div></div>"
    }
    return graph + cards
  }
}
