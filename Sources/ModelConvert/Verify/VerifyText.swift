/// What `verify` prints of a quantised model: the worst layers first, and why they are bad.
enum VerifyText {
  static func print(_ result: VerifyResult) {
    var table = Table(columns.map { ($0.title, $0.isText ? .left : .right) })
    for row in result.inOrder { table.append(cells(row)) }
    table.print()
    for row in result.tensors where row.quantized?.guilty == true {
      Swift.print("  layer \(row.layer ?? 0) (\(row.operator ?? "") \(printable(row.name))):")
      for cause in row.quantized?.causes ?? [] { Swift.print("    \(cause)") }
    }
    let others = result.tensors.filter {
      $0.quantized?.bad == true && $0.quantized?.guilty == false
    }
    if !others.isEmpty {
      let numbers = others.compactMap { $0.layer.map(String.init) }.joined(separator: ", ")
      Swift.print(
        others.count == 1
          ? "  layer \(numbers): error comes from its inputs"
          : "  layers \(numbers): error comes from their inputs")
    }
    for layer in result.unmatched { Swift.print("  no counterpart: \(printable(layer))") }
    if result.passed {
      Swift.print(
        result.tolerance.map { "  within the tolerance of \(VerifyResult.scientific($0))" }
          ?? "  no SQNR is below \(valueText(result.leastSqnrDb ?? 0)) dB")
    }
  }

  /// - isOfBytes: only for quantised models.
  static let columns: [(title: String, isText: Bool, isOfBytes: Bool)] = [
    ("#", false, false), ("operator", true, false), ("tensor", true, false),
    ("shape", true, false), ("SQNR", false, false), ("max abs", false, false),
    ("max rel", false, false), ("clipped", false, true), ("range used", false, true),
    ("scale", false, true), ("zero", false, true),
  ]

  static func cells(_ row: VerifyResult.Row) -> [String] {
    let q = row.quantized
    func error(_ value: Double?) -> String {
      row.maxAbs == 0 ? "0" : value.map(VerifyResult.scientific) ?? "infinite"
    }
    return [
      row.layer.map(String.init) ?? "", row.operator ?? "output",
      printable(row.name), shapeText(row.shape), row.sqnrText,
      error(row.maxAbs), error(row.maxRelative), q.map { percent($0.clippedShare) } ?? "",
      q.map { percent($0.rangeUsed) } ?? "",
      q.map { $0.scale.map(VerifyResult.scientific) ?? "by channel" } ?? "",
      q.flatMap { $0.zeroPoint.map { decimals($0, 0) } } ?? "",
    ]
  }
}

extension VerifyResult {
  var isSorted: Bool { isQuantized && order == .sqnr }

  /// Of a quantised model the worst rows come first, else as they ran.
  var inOrder: [Row] {
    if !isSorted { return tensors }
    return tensors.indices.sorted { a, b in
      let (x, y) = (tensors[a].sqnrOrder, tensors[b].sqnrOrder)
      return x == y ? a < b : x < y
    }.map { tensors[$0] }
  }
}
