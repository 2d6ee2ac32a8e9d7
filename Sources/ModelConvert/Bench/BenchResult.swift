import Runtime

/// A layer's part of a run.
struct LayerTiming: Encodable {
  /// Missing for what belongs to no layer.
  var index: Int?
  var name: String
  var `operator`: String
  /// Of the first output.
  var shape: [Int]
  var medianMs: Double
  /// Of the sum over all layers, 0 to 1.
  var share = 0.0
  var macs: Int
  /// Missing where the operator counts no multiply-accumulates.
  var gflops: Double?
}

/// What `bench` says.
struct BenchResult: Encodable {
  var model: String
  var function: String
  var isa: String
  var threads: Int
  var runs: Int
  var medianMs: Double
  var p99Ms: Double
  var minMs: Double
  var meanMs: Double
  /// Multiply-accumulates of a run.
  var macs: Int
  /// Two operations for each of them, in the median run; missing where there are none.
  var gflops: Double?
  var arenaBytes: Int
  var arenaLowerBound: Int
  var packedWeightBytes: Int
  var inputs: [String: [Int]]
  var layers: [LayerTiming]?

  /// The keys that scripts read.
  enum CodingKeys: String, CodingKey {
    case model, function, isa, threads, runs, medianMs, meanMs, minMs, macs, gflops, arenaBytes
    case arenaLowerBound, packedWeightBytes, inputs, layers
    case p99Ms = "p99_ms"
  }

  init(_ opened: OpenedModel, _ plan: Plan, _ timing: Stopwatch.Timing) {
    model = opened.path
    function = opened.functionNames[plan.functionIndex]
    isa = opened.model.instructionSet.name.description
    threads = plan.threads
    runs = timing.sorted.count
    medianMs = timing.median / 1e6
    p99Ms = timing.quantile(0.99) / 1e6
    minMs = Double(timing.sorted[0]) / 1e6
    meanMs = timing.mean / 1e6
    macs = plan.nodes.reduce(0) { sum, node in
      sum + (node.definition.multiplyAccumulates.map { $0(node) } ?? 0)
    }
    gflops = macs > 0 && timing.median > 0 ? 2 * Double(macs) / timing.median : nil
    arenaBytes = plan.arenaSize
    arenaLowerBound = plan.lowerBound
    packedWeightBytes = opened.model.packedWeightBytes
    inputs = Dictionary(
      plan.inputTensors.map { t in
        (opened.name(tensor: t), plan.tensors[t]?.shape.dimensions ?? [])
      }, uniquingKeysWith: { first, _ in first })
  }

  func print() {
    let shapes = inputs.sorted { $0.key < $1.key }
      .map { "\(printable($0.key)) \(shapeText($0.value))" }.joined(separator: ", ")
    Swift.print(
      "\(printable(model)), function \(printable(function)), \(isa), "
        + "\(threads) thread\(threads == 1 ? "" : "s")\(shapes.isEmpty ? "" : "; " + shapes)")
    var table = Table([("", .left), ("", .right), ("", .left)])
    table.append("median", time(medianMs), "of \(runs) runs")
    table.append("99 %", time(p99Ms), "of the runs took no longer")
    table.append("fastest", time(minMs), "")
    table.append("mean", time(meanMs), "")
    if let gflops {
      table.append("speed", "\(threeDigits(gflops)) GFLOP/s", "\(countText(macs)) MACs a run")
    }
    let ratio =
      arenaLowerBound > 0
      ? "\(threeDigits(Double(arenaBytes) / Double(arenaLowerBound))) times the lower bound" : ""
    table.append("arena", bytesText(arenaBytes), ratio)
    if packedWeightBytes > 0 {
      table.append("packed", bytesText(packedWeightBytes), "weights in the kernels' order")
    }
    table.print()
    printLayers()
  }

  private func printLayers() {
    guard let layers else { return }
    var table = Table([
      ("#", .right), ("operator", .left), ("name", .left), ("output", .left), ("median", .right),
      ("share", .right), ("GFLOP/s", .right),
    ])
    for layer in layers {
      table.append(
        layer.index.map(String.init) ?? "", layer.operator, printable(layer.name),
        layer.index == nil ? "" : shapeText(layer.shape), time(layer.medianMs), "\(threeDigits(layer.share * 100)) %",
        layer.gflops.map(threeDigits) ?? "")
    }
    table.appendRule()
    table.append(
      "", "total", "", "", time(layers.reduce(0) { $0 + $1.medianMs }), "",
      "")
    Swift.print("\nlayers")
    table.print()
  }

  private func time(_ ms: Double) -> String { timeText(nanoseconds: ms * 1e6) }
}
