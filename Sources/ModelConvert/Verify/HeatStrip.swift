/// A coloured cell for each layer, in the order in which they run.
struct HeatStrip {
  let rows: [VerifyResult.Row]

  private static let width = 1180.0
  private static let height = 46.0

  var svg: String {
    let cell = min(HeatStrip.width / Double(max(1, rows.count)), 120)
    let cells = rows.enumerated().map { i, row -> String in
      let x = cell * Double(i)
      let kind = HeatStrip.kind(row)
      let gap = cell > 6 ? 2.0 : 0
      var figures = [row.sqnrText, "max abs \(VerifyText.cells(row)[5])"]
      if let q = row.quantized {
        figures.append("clipped \(percent(q.clippedShare)), range used \(percent(q.rangeUsed))")
        figures += q.causes
      }
      let place = row.layer.map { "\($0) \(row.operator ?? "")" } ?? "output"
      let text = (["\(place) \(printable(row.name))"] + figures).joined(separator: "\n")
      // A number where there is room for it.
      let label =
        cell < 44
        ? ""
        : "<text x=\"\(coordinate(x + (cell - gap) / 2))\" y=\"28\" text-anchor=\"middle\">"
          + (row.maxAbs == 0 ? "=" : row.sqnrDb.map { decimals($0, cell < 60 ? 0 : 1) } ?? "–")
          + "</text>"
      return """
        <g class="cell \(kind)"\(row.layer.map { " data-layer=\"\($0)\"" } ?? "")>\
        <title>\(escaped(text))</title><rect x="\(coordinate(x))" y="0" \
        width="\(coordinate(cell - gap))" height="\(coordinate(HeatStrip.height))" \
        rx="\(cell > 12 ? 4 : 0)"/>\(label)</g>
        """
    }
    return """
      <svg class="heat" viewBox="0 -2 \(coordinate(HeatStrip.width)) \
      \(coordinate(HeatStrip.height + 4))" role="img" aria-label="SQNR by layer">
      \(cells.joined(separator: "\n"))</svg>
      """
  }

  /// The class of its colour.
  static func kind(_ row: VerifyResult.Row) -> String {
    switch row.sqnrOrder {
    case 40...: "q5"
    case 30..<40: "q4"
    case 20..<30: "q3"
    case 10..<20: "q2"
    case 0..<10: "q1"
    default: "q0"
    }
  }

  static var legend: String {
    let names = ["< 0 dB", "0–10", "10–20", "20–30", "30–40", "≥ 40 dB"]
    return names.enumerated().map { "<span class=\"key q\($0)\">\(escaped($1))</span>" }.joined()
  }

  static let css = """
    :root { --q0: #8c1d18; --q1: #c8452f; --q2: #ee9a5d; --q3: #f6dca6; --q4: #b9dccb;
      --q5: #6bb596; --dark: #1d2024; --light: #ffffff; }
    @media (prefers-color-scheme: dark) { :root { --q0: #ff6b5e; --q1: #d9513c; --q2: #a8582c;
      --q3: #6b5223; --q4: #28483c; --q5: #1c3b31; --dark: #f4f4f2; --light: #14171a; } }
    .q0 { --c: var(--q0); --t: var(--light); } .q1 { --c: var(--q1); --t: var(--light); }
    .q2 { --c: var(--q2); --t: var(--dark); } .q3 { --c: var(--q3); --t: var(--dark); }
    .q4 { --c: var(--q4); --t: var(--dark); } .q5 { --c: var(--q5); --t: var(--dark); }
    .dot { background: var(--c); }
    svg.heat { width: 100%; height: auto; }
    .cell rect { fill: var(--c); } .cell.hot rect { stroke: var(--hotline); stroke-width: 2.5; }
    .cell text { fill: var(--t); font-size: 13px; font-weight: 600; pointer-events: none; }
    tr.bad td { border-bottom: 0; } tr.why td { padding-top: 0; color: var(--bound); }
    td { white-space: nowrap; }
    """
}
