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
    /// Only of quantised tensors.
    var quantized: Quantized?
  }

  /// What a quantised tensor has beside its errors. Shares are from 0 to 1.
  struct Quantized: Encodable {
    /// Missing where each channel has its own.
    var scale: Double?
    var zeroPoint: Double?
    var clippedShare: Double
    var rangeUsed: Double
    /// Of the channel in the middle.
    var channelSqnrDb: Double?
    /// Of the float tensor rounded to this scale.
    var roundingSqnrDb: Double?
    /// Of the worst input, or of its channel in the middle where that is lower; missing where none
    /// was compared, or where it is equal.
    var inputSqnrDb: Double?
    var channels: Int
    var deadChannels: Int
    var bad: Bool
    /// Bad, and not by its inputs alone.
    var guilty: Bool
    var causes: [String]
  }

  var model: String
  var isa: String
  var against: String
  var againstIsa: String
  /// Missing where the least SQNR decides.
  var tolerance: Double?
  /// Of quantised tensors.
  var leastSqnrDb: Double?
  /// Whether the reference's channels were scaled as those of the model; missing if they were not.
  var againstEqualized: Bool?
  /// Runs, states carried on; missing for a single one.
  var steps: Int?
  var passed: Bool
  /// The first row beyond the tolerance, or below the least SQNR.
  var firstFailure: Int?
  var tensors: [Row]
  /// Layers of the model that the reference has no counterpart of.
  var unmatched: [String]

  /// - Parameters:
  ///   - tolerance: nil: of a quantised model the least SQNR decides, of others `defaultTolerance`.
  init(
    _ opened: OpenedModel, _ reference: OpenedModel, _ matching: Matching, tolerance: Double?,
    leastSqnr: Double, isEqualized: Bool, steps: Int?
  ) {
    model = opened.path
    isa = opened.model.instructionSet.name.description
    against = reference.path
    againstIsa = reference.model.instructionSet.name.description
    againstEqualized = isEqualized ? true : nil
    self.steps = steps
    var comparison = QuantizedComparison(matching, leastSqnr: leastSqnr)
    let isQuantized = matching.pairs.contains(where: QuantizedComparison.covers)
    let limit = tolerance ?? (isQuantized ? nil : VerifyResult.defaultTolerance)
    self.tolerance = limit
    leastSqnrDb = isQuantized ? leastSqnr : nil
    tensors = matching.pairs.map { pair in
      let (error, quantized) = comparison.compare(pair)
      return Row(
        layer: pair.layer?.index, operator: pair.layer?.operator,
        name: pair.name,
        shape: pair.tested.shape, maxAbs: finite(error.maxAbs),
        maxRelative: finite(error.maxRelative), sqnrDb: finite(error.sqnr),
        withinTolerance: limit.map { error.maxRelative <= $0 } ?? (error.sqnr >= leastSqnr),
        quantized: quantized)
    }
    firstFailure = tensors.firstIndex { !$0.withinTolerance }
    passed = firstFailure == nil && !tensors.isEmpty
    unmatched = matching.unmatched.map { "\($0.index) \($0.operator) \($0.name)" }
  }

  static let defaultTolerance = 1e-5

  /// Of the table; JSON is in the order in which the layers ran.
  enum Order: String, CaseIterable { case run, sqnr }
  var order = Order.sqnr

  private enum CodingKeys: CodingKey {
    case model, isa, against, againstIsa, againstEqualized, tolerance, leastSqnrDb, steps
    case passed, firstFailure, tensors, unmatched
  }

  /// Whether a quantised model stands beside one in floats.
  var isQuantized: Bool { leastSqnrDb != nil }

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
    guard let tolerance else {
      let causes = (row.quantized?.causes ?? []).joined(separator: "; ")
      return Failure(
        "\(model): \(place) has an SQNR of \(row.sqnrText); "
          + "\(valueText(leastSqnrDb ?? 0)) dB is the least" + (causes.isEmpty ? "" : " (\(causes))"))
    }
    return Failure(
      "\(model): \(place) differs by \(error) (max rel) from \(against) on \(againstIsa); the "
        + "tolerance is \(VerifyResult.scientific(tolerance))")
  }

  func print() {
    Swift.print(
      "\(printable(model)) (\(isa)) against \(printable(against)) (\(againstIsa))"
        + (againstEqualized == true ? ", its channels equalised as the model's" : "")
        + (steps.map { ", \($0) steps" } ?? ""))
    if isQuantized {
      VerifyText.print(self)
      return
    }
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
        row.sqnrText,
        row.withinTolerance
          ? "" : i == firstFailure ? "<- first beyond the tolerance" : "beyond the tolerance")
    }
    table.print()
    for layer in unmatched { Swift.print("  no counterpart: \(printable(layer))") }
    if passed, let tolerance {
      Swift.print("  within the tolerance of \(VerifyResult.scientific(tolerance))")
    }
  }

  static func scientific(_ value: Double) -> String {
    value == 0 ? "0" : String(format: "%.2e", value)
  }
}

extension VerifyResult.Row {
  var sqnrText: String {
    maxAbs == 0 ? "equal" : sqnrDb.map { "\(decimals($0, 1)) dB" } ?? "none"
  }

  /// To sort by: equal tensors are the best, those without a signal or with infinities the worst.
  var sqnrOrder: Double { maxAbs == 0 ? .infinity : sqnrDb ?? -.infinity }
}
