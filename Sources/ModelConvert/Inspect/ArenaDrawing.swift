import Foundation

/// The arena as SVG: time (steps) across, offset up, one rectangle for each buffer.
struct ArenaDrawing {
  private let summary: ModelSummary
  private let arena: ModelSummary.ArenaSummary
  private let steps: Int
  private let total = 1152.0
  private let left = 74.0
  private let right = 112.0
  private let top = 18.0
  private let plotHeight = 340.0
  private let bottom: Double

  init(_ summary: ModelSummary, _ arena: ModelSummary.ArenaSummary) {
    self.summary = summary
    self.arena = arena
    // One column more than there are steps: what is left when the run has ended.
    steps = arena.stepLayers.count + 1
    bottom = total / Double(steps) < 96 ? 78 : 30
  }

  private var plotWidth: Double { total - left - right }
  private var column: Double { plotWidth / Double(steps) }
  private func x(_ step: Int) -> Double { left + column * Double(step) }
  private func y(_ offset: Int) -> Double {
    top + plotHeight * (1 - Double(offset) / Double(max(scaleTop, 1)))
  }
  private var scaleTop: Int { max(arena.bytes, arena.lowerBoundBytes) }

  var svg: String {
    let height = top + plotHeight + bottom
    var text = """
      <svg class="arena" viewBox="0 0 \(coordinate(total)) \(coordinate(height))" role="img" \
      aria-label="The arena over time">

      """
    text += grid()
    for buffer in arena.buffers where buffer.bytes > 0 { text += rectangle(buffer) }
    text += bounds()
    text += stepLabels()
    return text + "</svg>\n"
  }

  // MARK: Axes

  private func grid() -> String {
    var text = ""
    let step = ArenaDrawing.niceStep(scaleTop)
    var at = 0
    while at <= scaleTop {
      text += """
        <line class="grid" x1="\(coordinate(left))" x2="\(coordinate(total - right))" \
        y1="\(coordinate(y(at)))" y2="\(coordinate(y(at)))"/>\
        <text class="tick" x="\(coordinate(left - 8))" y="\(coordinate(y(at) + 3.5))" \
        text-anchor="end">\(at == 0 ? "0" : ArenaDrawing.tick(at, step))</text>

        """
      at += step
    }
    return text
  }

  /// A power of two, or three quarters of one, that gives about five lines.
  static func niceStep(_ bytes: Int) -> Int {
    var step = 64
    while bytes / step > 6 {
      step *= 2
    }
    return step
  }

  private static func tick(_ bytes: Int, _ step: Int) -> String {
    let (unit, name) =
      step >= 1 << 20 ? (1 << 20, "MiB") : step >= 1 << 9 ? (1 << 10, "KiB") : (1, "B")
    let value = Double(bytes) / Double(unit)
    return (value == value.rounded() ? String(Int(value)) : String(format: "%.1f", value)) + " "
      + name
  }

  private func stepLabels() -> String {
    var text = ""
    let every = max(1, Int((13 / column).rounded(.up)))
    let base = top + plotHeight
    let slanted = bottom > 30
    for step in stride(from: 0, to: steps, by: every) {
      let label = stepName(step)
      let middle = x(step) + column / 2
      let at = "x=\"\(coordinate(middle))\" y=\"\(coordinate(base + 16))\""
      text +=
        slanted
        ? """
        <text class="tick step"\(layerAttribute(step)) \(at) text-anchor="end" \
        transform="rotate(-45 \(coordinate(middle)) \(coordinate(base + 16)))">\
        \(escaped(fitted(label, width: 78, perCharacter: 6)))</text>

        """
        : """
        <text class="tick step"\(layerAttribute(step)) \(at) text-anchor="middle">\
        \(escaped(fitted(label, width: column - 4, perCharacter: 6)))</text>

        """
    }
    return text
  }

  private func stepName(_ step: Int) -> String {
    guard step < arena.stepLayers.count else { return "end" }
    let layer = arena.stepLayers[step]
    guard layer >= 0, layer < summary.layers.count else { return "copy" }
    return "\(layer) \(summary.layers[layer].operator)"
  }

  private func layerAttribute(_ step: Int) -> String {
    guard step < arena.stepLayers.count, arena.stepLayers[step] >= 0 else { return "" }
    return " data-layer=\"\(arena.stepLayers[step])\""
  }

  // MARK: Buffers

  private func rectangle(_ b: ModelSummary.BufferSummary) -> String {
    let last = min(b.lastStep, steps - 1)
    let x0 = x(b.firstStep) + 0.75
    let width = max(x(last + 1) - 0.75 - x0, 1)
    let y0 = y(b.offset + b.bytes)
    let height = max(y(b.offset) - y0, 1)
    let life =
      b.firstStep == last
      ? "step \(b.firstStep) (\(stepName(last)))"
      : "steps \(b.firstStep) (\(stepName(b.firstStep))) to \(last) (\(stepName(last)))"
    var tip = "\(b.name)  ·  \(b.kind)\n\(bytesText(b.bytes)) from \(bytesText(b.offset))\n\(life)"
    if b.tensors.count > 1 {
      let shown = b.tensors.prefix(6).joined(separator: ", ")
      tip += "\nholds \(shown)\(b.tensors.count > 6 ? " and \(b.tensors.count - 6) more" : "")"
    }
    var text = """
      <g class="buffer \(b.kind)"\(b.kind == "state" || b.kind == "input" ? "" : layerAttribute(b.firstStep))>\
      <title>\(escaped(tip))</title>\
      <rect x="\(coordinate(x0))" y="\(coordinate(y0 + 0.75))" width="\(coordinate(width))" \
      height="\(coordinate(max(height - 1.5, 0.6)))" rx="\(height > 10 && width > 10 ? 3 : 1)"/>
      """
    text += label(b, x0, y0, width, height)
    return text + "</g>\n"
  }

  /// The name, and the size below it, across or upright, as far as there is room.
  private func label(
    _ b: ModelSummary.BufferSummary, _ x0: Double, _ y0: Double, _ width: Double, _ height: Double
  ) -> String {
    let middleX = x0 + width / 2
    let middleY = y0 + height / 2
    let upright = width < 40 && height > width * 1.5
    let along = upright ? height : width
    let across = upright ? width : height
    guard across >= 12 else { return "" }
    let name = fitted(b.name, width: along - 10, perCharacter: 6.3)
    guard !name.isEmpty else { return "" }
    let turn =
      upright ? " transform=\"rotate(-90 \(coordinate(middleX)) \(coordinate(middleY)))\"" : ""
    let size = bytesText(b.bytes)
    let two = across >= 32 && Double(size.count) * 6 <= along - 8
    let at = "x=\"\(coordinate(middleX))\" text-anchor=\"middle\""
    var text = """
      <g\(turn)><text class="name" \(at) y="\(coordinate(middleY + (two ? -3 : 4)))">\
      \(escaped(name))</text>
      """
    if two {
      text += "<text class=\"size\" \(at) y=\"\(coordinate(middleY + 11))\">\(size)</text>"
    }
    return text + "</g>"
  }

  // MARK: Bounds

  private func bounds() -> String {
    let arenaY = y(arena.bytes)
    let boundY = y(arena.lowerBoundBytes)
    // Where the two lines are close their labels stand one below the other, within the margin.
    let labelY = max(boundY, arenaY + 30)
    let end = total - right
    return """
      <line class="arena-line" x1="\(coordinate(left))" x2="\(coordinate(end))" \
      y1="\(coordinate(arenaY))" y2="\(coordinate(arenaY))"/>\
      <text class="mark" x="\(coordinate(end + 10))" y="\(coordinate(arenaY + 4))">arena</text>\
      <text class="mark value" x="\(coordinate(end + 10))" y="\(coordinate(arenaY + 18))">\
      \(bytesText(arena.bytes))</text>
      <line class="bound-line" x1="\(coordinate(left))" x2="\(coordinate(end))" \
      y1="\(coordinate(boundY))" y2="\(coordinate(boundY))"/>\
      <path class="bound-lead" d="M\(coordinate(end)) \(coordinate(boundY)) \
      L\(coordinate(end + 7)) \(coordinate(labelY + 6))"/>\
      <text class="mark bound" x="\(coordinate(end + 10))" y="\(coordinate(labelY + 10))">\
      lower bound</text>\
      <text class="mark value" x="\(coordinate(end + 10))" y="\(coordinate(labelY + 24))">\
      \(bytesText(arena.lowerBoundBytes))</text>

      """
  }
}
