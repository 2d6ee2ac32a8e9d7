import Foundation
import Runtime

/// How far two tensors are apart.
struct TensorError: Encodable {
  var maxAbs = 0.0
  var maxRelative = 0.0
  /// Infinite where they are equal.
  var sqnr = Double.infinity

  /// Equal infinities and two elements that are no number count as equal; where only one is such,
  /// the error is infinite.
  init(_ tested: [Double], _ reference: [Double]) {
    var signal = 0.0
    var noise = 0.0
    for r in reference where r.isFinite { signal += r * r }
    let rms = (signal / Double(max(reference.count, 1))).squareRoot()
    for (x, r) in zip(tested, reference) {
      if x == r || x.isNaN && r.isNaN { continue }
      guard x.isFinite, r.isFinite else {
        maxAbs = .infinity
        maxRelative = .infinity
        noise = .infinity
        continue
      }
      let error = abs(x - r)
      maxAbs = max(maxAbs, error)
      let scale = max(abs(r), rms)
      maxRelative = max(maxRelative, scale > 0 ? error / scale : .infinity)
      noise += error * error
    }
    if noise > 0 { sqnr = signal > 0 ? 10 * log10(signal / noise) : -.infinity }
  }
}

/// What `verify` says.
struct VerifyResult: Encodable {
  struct Row: Encodable {
    /// Missing for an output that no layer makes.
    var layer: Int?
    var `operator`: String?
    var name: String
    var shape: [Int]
    /// Missing where the error is infinite.
    var maxAbs: Double?
    var maxRelative: Double?
    /// Missing where the tensors are equal, or have no signal.
    var sqnrDb: Double?
    var withinTolerance: Bool
  }

  var model: String
  var isa: String
  var against: String
  var againstIsa: String
  var tolerance: Double
  /// Runs, states carried on; missing for a single one.
  var steps: Int?
  var passed: Bool
  /// The first row beyond the tolerance.
  var firstFailure: Int?
  var tensors: [Row]
  /// Layers of the model that the reference has no counterpart of.
  var unmatched: [String]

  init(
    _ opened: OpenedModel, _ reference: OpenedModel, _ matching: Matching, tolerance: Double,
    steps: Int?
  ) {
    model = opened.path
    isa = opened.model.instructionSet.name.description
    against = reference.path
    againstIsa = reference.model.instructionSet.name.description
    self.tolerance = tolerance
    self.steps = steps
    tensors = matching.pairs.map { pair in
      let error = TensorError(pair.tested.values, pair.reference.values)
      return Row(
        layer: pair.layer?.index, operator: pair.layer?.operator,
        name: pair.name,
        shape: pair.tested.shape, maxAbs: finite(error.maxAbs),
        maxRelative: finite(error.maxRelative), sqnrDb: finite(error.sqnr),
        withinTolerance: error.maxRelative <= tolerance)
    }
    firstFailure = tensors.firstIndex { !$0.withinTolerance }
    passed = firstFailure == nil && !tensors.isEmpty
    unmatched = matching.unmatched.map { "\($0.index) \($0.operator) \($0.name)" }
  }

  /// Why the models do not agree; nil where they do.
  var failure: Failure? {
    if tensors.isEmpty {
      return Failure("\(model): it has no tensor in common with \(against)")
    }
    guard let firstFailure else { return nil }
    let row = tensors[firstFailure]
    let error = row.maxRelative.map(VerifyResult.scientific) ?? "infinitely much"
    let place = row.layer.map { "layer \($0) (\(row.operator ?? "") \(printable(row.name)))" }
      ?? "output \(printable(row.name))"
    return Failure(
      "\(model): \(place) differs by \(error) (max rel) from \(against) on \(againstIsa); the "
        + "tolerance is \(VerifyResult.scientific(tolerance))")
  }

  func print() {
    Swift.print(
      "\(printable(model)) (\(isa)) against \(printable(against)) (\(againstIsa))"
        + (steps.map { ", \($0) steps" } ?? ""))
    var table = Table([
      ("#", .right), ("operator", .left), ("tensor", .left), ("shape", .left),
      ("max abs", .right), ("max rel", .right), ("SQNR", .right), ("", .left),
    ])
    for (i, row) in tensors.enumerated() {
      let isEqual = row.maxAbs == 0
      table.append(
        row.layer.map(String.init) ?? "", row.operator ?? "output", printable(row.name),
        shapeText(row.shape), isEqual ? "0" : row.maxAbs.map(VerifyResult.scientific) ?? "infinite",
        isEqual ? "0" : row.maxRelative.map(VerifyResult.scientific) ?? "infinite",
        isEqual ? "equal" : row.sqnrDb.map { "\(decimals($0, 1)) dB" } ?? "none",
        row.withinTolerance
          ? "" : i == firstFailure ? "<- first beyond the tolerance" : "beyond the tolerance")
    }
    table.print()
    for layer in unmatched { Swift.print("  no counterpart: \(printable(layer))") }
    if passed {
      Swift.print("  within the tolerance of \(VerifyResult.scientific(tolerance))")
    }
  }

  private static func scientific(_ value: Double) -> String {
    value == 0 ? "0" : String(format: "%.2e", value)
  }
}
