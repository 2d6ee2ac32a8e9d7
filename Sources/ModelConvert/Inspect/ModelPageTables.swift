/// The tables of the page.
struct ModelPageTables {
  let summary: ModelSummary

  // MARK: Layers

  var layers: String {
    let most = max(summary.layers.compactMap(\.macs).max() ?? 0, 1)
    let rows = summary.layers.map { layer -> String in
      let shapes = layer.outputs.map { $0.shape.map(shapeText) ?? declared($0) }
      let named = layer.isNamed ? layer.name : ""
      let share = Double(layer.macs ?? 0) / Double(most) * 100
      return """
        <tr data-layer="\(layer.index)"><td class="n dim">\(layer.index)</td>\
        <td><i class="dot \(OperatorFamily.of(layer.operator).rawValue)"></i>\
        \(escaped(layer.operator))<small title="\(escaped(layer.name))">\
        \(escaped(fitted(named, width: 150, perCharacter: 6)))</small></td>\
        <td class="shape">\(escaped(shapes.joined(separator: " ")))</td>\
        <td class="n">\(layer.parameters > 0 ? countText(layer.parameters) : "")</td>\
        <td class="n bar">\((layer.macs ?? 0) > 0 ? countText(layer.macs!) : "")\
        <i style="width:\(coordinate(share))%"></i></td>\
        <td class="n">\(layer.weightBytes > 0 ? bytesText(layer.weightBytes) : "")</td>\
        <td class="n">\(layer.activationBytes.map(bytesText) ?? "?")</td></tr>
        """
    }
    let totals = summary.totals
    return """
      <section class="card"><h2>Layers</h2><div class="scroll"><table><thead><tr>\
      <th class="n">#</th><th>operator</th><th>output</th><th class="n">parameters</th>\
      <th class="n">MACs</th><th class="n">weights</th><th class="n">activations</th></tr></thead>\
      <tbody>\(rows.joined(separator: "\n"))</tbody><tfoot><tr><td></td><td>total</td><td></td>\
      <td class="n">\(countText(totals.parameters))</td><td class="n">\(countText(totals.macs))</td>\
      <td class="n">\(bytesText(totals.weightBytes))</td>\
      <td class="n">\(bytesText(totals.activationBytes))</td></tr></tfoot></table></div></section>
      """
  }

  private func declared(_ t: ModelSummary.TensorSummary) -> String {
    t.declaredShape.map { "[" + $0.joined(separator: ", ") + "]" } ?? "?"
  }

  // MARK: Functions

  var functions: String {
    let cards = summary.functions.map { f -> String in
      var rows = f.inputs.map { row("input", $0.name, $0.dtype, declared($0), $0.scaleText) }
      rows += f.outputs.map { row("output", $0.name, $0.dtype, declared($0), $0.scaleText) }
      rows += f.states.map {
        row(
          "state", $0.name, $0.dtype, shapeText($0.shape),
          "starts as \($0.initialValue == "zeros" ? "zeros" : "a value in the file"), "
            + "becomes \($0.next)")
      }
      return """
        <h3>\(escaped(f.name)) <small>\(f.nodes) layer\(f.nodes == 1 ? "" : "s")</small></h3>\
        <div class="scroll"><table><tbody>\(rows.joined())</tbody></table></div>
        """
    }
    return "<section class=\"card\"><h2>Functions</h2>\(cards.joined())</section>"
  }

  private func row(
    _ kind: String, _ name: String, _ type: String, _ shape: String, _ note: String
  ) -> String {
    """
    <tr><td><span class="key \(kind)">\(kind)</span></td><td>\(escaped(name))</td>\
    <td class="dim">\(type)</td><td class="shape">\(escaped(shape))</td>\
    <td class="dim">\(escaped(note))</td></tr>
    """
  }

  // MARK: File

  var file: String {
    let total = summary.size.fileBytes
    let sections = summary.sections.filter { $0.bytes > 0 }
    let segments = sections.enumerated().map { i, s in
      let share = Double(s.bytes) / Double(total) * 100
      return """
        <i class="s\(s.name == "weights" ? "w" : String(i % 6))" \
        style="flex:\(coordinate(max(share, 0.3)))" \
        title="\(escaped(s.name)): \(s.bytes) bytes"></i>
        """
    }
    let rows = sections.enumerated().map { i, s in
      """
      <tr><td><i class="dot s\(s.name == "weights" ? "w" : String(i % 6))"></i>\
      \(escaped(s.name))</td><td class="n">\(s.bytes) B</td>\
      <td class="n dim">\(threeDigits(Double(s.bytes) / Double(total) * 100)) %</td></tr>
      """
    }
    let size = summary.size
    return """
      <section class="card"><h2>File</h2><div class="stackbar">\(segments.joined())</div>\
      <div class="scroll"><table class="narrow"><tbody>\(rows.joined())</tbody><tfoot><tr>\
      <td>total</td><td class="n">\(total) B</td><td></td></tr></tfoot></table></div>\
      <p class="note">\(size.rawWeightBytes) bytes of raw weights, \(size.overheadBytes) of \
      everything else.</p></section>
      """
  }

  var metadata: String {
    if summary.metadata.isEmpty { return "" }
    let rows = summary.metadata.sorted { $0.key < $1.key }.map { key, value in
      let line = value.split(separator: "\n").joined(separator: ", ")
      return "<tr><td class=\"dim\">\(escaped(key))</td><td>\(escaped(line))</td></tr>"
    }
    return """
      <section class="card"><h2>Metadata</h2><table><tbody>\(rows.joined())</tbody></table></section>
      """
  }
}
