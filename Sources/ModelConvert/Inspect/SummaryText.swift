/// `inspect` for the terminal.
enum SummaryText {
  static func print(_ s: ModelSummary) {
    Swift.print("\(printable(s.file)): \(bytesText(s.size.fileBytes)), format \(s.formatVersion)")
    printMetadata(s)
    for function in s.functions { print(function) }
    printLayers(s)
    printArena(s)
    printFile(s)
  }

  private static func printMetadata(_ s: ModelSummary) {
    guard !s.metadata.isEmpty else { return }
    var table = Table([("", .left), ("", .left)])
    for (key, value) in s.metadata.sorted(by: { $0.key < $1.key }) {
      let line = value.split(separator: "\n").joined(separator: ", ")
      table.append(printable(key), printable(line.count > 78 ? line.prefix(75) + "..." : line))
    }
    Swift.print("\nmetadata")
    table.print()
  }

  private static func print(_ f: ModelSummary.FunctionSummary) {
    var table = Table([("", .left), ("", .left), ("", .left), ("", .left)])
    for t in f.inputs { table.append(["input"] + cells(t) + [t.scaleText]) }
    for t in f.outputs { table.append(["output"] + cells(t) + [t.scaleText]) }
    for t in f.states {
      table.append(
        "state", printable(t.name), "\(t.dtype) \(shapeText(t.shape))",
        "starts as \(t.initialValue == "zeros" ? "zeros" : "a value in the file"), "
          + "next is \(printable(t.next))")
    }
    Swift.print("\nfunction \(printable(f.name)), \(f.nodes) layer\(f.nodes == 1 ? "" : "s")")
    table.print()
  }

  private static func cells(_ t: ModelSummary.TensorSummary) -> [String] {
    let declared = t.declaredShape.map { "[" + $0.joined(separator: ", ") + "]" } ?? "?"
    return [printable(t.name), "\(t.dtype) \(printable(declared))"]
  }

  private static func printLayers(_ s: ModelSummary) {
    guard !s.layers.isEmpty else { return }
    var table = Table([
      ("#", .right), ("operator", .left), ("name", .left), ("output", .left),
      ("parameters", .right), ("MACs", .right), ("weights", .right), ("activations", .right),
    ])
    for layer in s.layers {
      table.append(
        String(layer.index), layer.operator, shortened(printable(layer.name)),
        layer.outputs.map(shape).joined(separator: " "),
        layer.parameters > 0 ? countText(layer.parameters) : "",
        layer.macs.map { $0 > 0 ? countText($0) : "" } ?? "",
        layer.weightBytes > 0 ? bytesText(layer.weightBytes) : "",
        layer.activationBytes.map(bytesText) ?? "?")
    }
    table.appendRule()
    table.append(
      "", "total", "", "", countText(s.totals.parameters), countText(s.totals.macs),
      bytesText(s.totals.weightBytes), bytesText(s.totals.activationBytes))
    Swift.print("\nlayers of \(printable(s.function))\(boundInputs(s))")
    table.print()
  }

  private static func shape(_ t: ModelSummary.TensorSummary) -> String {
    t.shape.map(shapeText) ?? t.declaredShape.map { "[" + $0.joined(separator: ", ") + "]" } ?? "?"
  }

  /// Which shapes the table is for, where the model leaves some free.
  private static func boundInputs(_ s: ModelSummary) -> String {
    guard let f = s.functions.first(where: { $0.name == s.function }), s.arena != nil else {
      return ""
    }
    let free = f.inputs.filter { t in
      t.declaredShape?.contains { Int($0) == nil } ?? false
    }
    if free.isEmpty { return "" }
    return " for "
      + free.map { "\(printable($0.name)) = \(shapeText($0.shape ?? []))" }.joined(separator: ", ")
  }

  private static func printArena(_ s: ModelSummary) {
    guard let arena = s.arena else { return }
    Swift.print("\narena of \(printable(s.function)) (\(s.isa))")
    var table = Table([("", .left), ("", .right), ("", .left)])
    table.append("arena", bytesText(arena.bytes), "\(arena.bytes) bytes")
    table.append(
      "lower bound", bytesText(arena.lowerBoundBytes),
      "\(arena.lowerBoundBytes) bytes"
        + (arena.ratio.map { "; the arena is \(threeDigits($0)) times that" } ?? ""))
    table.append("states", bytesText(arena.stateBytes), "kept from run to run")
    table.append("scratch", bytesText(arena.scratchBytes), "at most at one step")
    table.append("packed", bytesText(arena.packedWeightBytes), "weights in the kernels' order, beside the arena")
    table.print()
  }

  private static func printFile(_ s: ModelSummary) {
    Swift.print("\nfile")
    var table = Table([("section", .left), ("bytes", .right), ("share", .right)])
    for section in s.sections {
      table.append(
        section.name, String(section.bytes), percent(section.bytes, of: s.size.fileBytes))
    }
    table.appendRule()
    table.append("total", String(s.size.fileBytes), "")
    table.print()
    Swift.print(
      "  raw weights \(s.size.rawWeightBytes) bytes; overhead \(s.size.overheadBytes) bytes"
        + (s.size.overheadPercent.map { " (\(threeDigits($0)) %)" } ?? ""))
  }

  private static func percent(_ part: Int, of whole: Int) -> String {
    threeDigits(Double(part) / Double(max(whole, 1)) * 100) + " %"
  }

  private static func shortened(_ name: String) -> String {
    name.count > 36 ? "..." + name.suffix(33) : name
  }
}
