import Graph
import ModelFormat

/// What calibration found out.
struct Calibration {
  /// For each group of tensors that share a scale.
  let groups: [Int: Group]
  /// For each tensor that is the input of a layer.
  let means: [Int: MeanTensor]
  /// For each layer, by its node, some of what it multiplies with; empty but for adaptive rounding.
  let layerInputs: [Int: LayerInputs]
  /// What should be looked at, in sentences.
  let warnings: [String]
  /// Of each node, in one run.
  let multiplyAccumulates: [Int]

  struct Group {
    var parameters: LinearParameters
    /// The part of the values that is clipped; nil where nobody counted.
    var clipped: Double?
  }
}

/// Runs the float network over the calibration data and looks at its tensors: once for ranges and
/// means, and once more for histograms where the observer wants them.
final class Calibrator {
  private let model: FloatModel
  private let scheme: QuantizationScheme
  private let source: any CalibrationSource
  private let options: QuantizationOptions
  private let progress: (String, Int, Int) -> Void
  private let runner: GraphRunner
  private let tensors: [Value]
  private let nodes: [Node]
  private var statistics: [Int: TensorStatistics] = [:]
  private var histograms: [Int: Histogram] = [:]
  private var means: [Int: MeanTensor] = [:]
  private var warnings: [String] = []

  /// Fewer runs than this say little about ranges.
  static let fewRuns = 32
  /// A channel that is so many times larger than the others leaves them no integers to speak of.
  static let outlierRatio: Float = 1000

  init(
    _ model: FloatModel, _ scheme: QuantizationScheme, _ source: any CalibrationSource,
    _ options: QuantizationOptions, progress: @escaping (String, Int, Int) -> Void
  ) throws {
    self.model = model
    self.scheme = scheme
    self.source = source
    self.options = options
    self.progress = progress
    let (graph, tensors) = try model.open()
    self.tensors = tensors
    nodes = graph.functions[model.function].nodes
    runner = try GraphRunner(
      model.bytes, function: model.function, shapes: source.shapes, threads: options.threads)
  }

  /// The tensors of a choice's groups that become integers, constants among them.
  private func members(_ choice: QuantizationScheme.Choice) -> [Int] {
    tensors.indices.filter {
      choice.groups.contains(scheme.groups[$0]) && !scheme.fused.contains($0)
        && tensors[$0].logicalType == .float32
    }
  }

  func run(_ choice: QuantizationScheme.Choice) throws -> Calibration {
    guard source.count > 0 else {
      throw QuantizationError("there are no calibration samples")
    }
    if source.count < Calibrator.fewRuns {
      warnings.append(
        "\(source.count) calibration \(source.count == 1 ? "sample is" : "samples are") few: "
          + "ranges are better known from \(Calibrator.fewRuns) on")
    }
    let members = members(choice)
    try measure(members, choice)
    var byGroup: [Int: TensorStatistics] = [:]
    for t in members {
      let group = scheme.groups[t]
      if let own = statistics[t] { byGroup[group, default: TensorStatistics()].merge(own) }
    }
    warn(members)
    if options.observer.needsHistogram { try count(members, byGroup) }
    var results: [Int: Calibration.Group] = [:]
    for (group, statistics) in byGroup where !statistics.isEmpty {
      var range = (lower: statistics.minimum, upper: statistics.maximum)
      var clipped = 0.0
      if let histogram = histograms[group] {
        range = options.observer.range(of: histogram, options.activations)
      }
      let parameters = LinearParameters(range, options.activations)
      if let histogram = histograms[group] {
        // Up to half a step beyond the last integer nothing is lost but by rounding.
        let half = parameters.scale / 2
        clipped = histogram.share(
          outside: (Float(parameters.smallest) - half, Float(parameters.largest) + half))
      }
      results[group] = Calibration.Group(parameters: parameters, clipped: clipped)
    }
    return Calibration(
      groups: results, means: means,
      layerInputs: options.roundsAdaptively ? try collect(choice) : [:], warnings: warnings,
      multiplyAccumulates: runner.multiplyAccumulates)
  }

  // MARK: First pass

  private func measure(_ members: [Int], _ choice: QuantizationScheme.Choice) throws {
    let axes = channelAxes()
    let layerInputs = options.correctsBias ? meanInputs(choice) : [:]
    for t in members where tensors[t].kind == .weight && tensors[t].hasRealFloats {
      let numbers = tensors[t].realFloats
      var own = TensorStatistics()
      numbers.withUnsafeBufferPointer { x in
        if let start = x.baseAddress { own.add(start, shape: [x.count], axis: nil) }
      }
      try check(own, t, nil)
      statistics[t] = own
    }
    let inputs = model.inputs(tensors, source)
    var allZero = true
    let watched = Set(members).union(layerInputs.keys).union(inputs.keys)
    runner.watch(watched)
    try forEachRun("calibrating") { run in
      var failure: QuantizationError?
      try runner.run { t, data, shape in
        guard self.tensors[t].dataType == .float32, failure == nil else {
          if inputs[t] != nil { allZero = false }
          return
        }
        let x = UnsafePointer(data.assumingMemoryBound(to: Float.self))
        self.statistics[t, default: TensorStatistics()].add(x, shape: shape, axis: axes[t])
        do { try self.check(self.statistics[t]!, t, run) } catch {
          failure = error as? QuantizationError
          return
        }
        if let kind = layerInputs[t] { self.means[t, default: MeanTensor(kind)].add(x, shape) }
      }
      if let failure { throw failure }
    }
    for t in inputs.keys where !(statistics[t]?.isZero ?? true) { allZero = false }
    if allZero && !inputs.isEmpty {
      throw QuantizationError(
        "every calibration sample is all zeros: no range can be learnt from that")
    }
  }

  private func check(_ statistics: TensorStatistics, _ t: Int, _ run: Int?) throws {
    guard let bad = statistics.firstNonFinite else { return }
    let what = bad.isNaN ? "NaN" : "\(bad)"
    let name = tensors[t].name
    guard let run else { throw QuantizationError("the constant '\(name)' holds \(what)") }
    let isInput = model.inputs(tensors, source)[t] != nil
    let problem = isInput
      ? "input '\(name)' holds \(what)" : "tensor '\(name)' becomes \(what) in a layer"
    throw QuantizationError("\(source.name(run: run)): \(problem)")
  }

  private func forEachRun(_ what: String, _ body: (Int) throws -> Void) throws {
    for run in 0..<source.count {
      try runner.start(run, of: source)
      try body(run)
      progress(what, run + 1, source.count)
    }
  }

  /// The axis of each tensor's channels: behind a product of matrices the last one.
  private func channelAxes() -> [Int: Int] {
    var axes: [Int: Int] = [:]
    var isLast: Set<ObjectIdentifier> = []
    for (t, value) in tensors.enumerated() {
      if let rank = value.shape?.count, rank >= 2 { axes[t] = 1 }
    }
    let numbers = tensors.numbers
    for node in nodes {
      let follows = node.inputs.first.flatMap { $0 }.map { isLast.contains(ObjectIdentifier($0)) }
      let isProduct = ["MatMul", "LayerNormalization", "LSTM", "GRU", "RNN"].contains(node.op)
      let keeps = follows == true && node.rule.map { $0.treatment != .layer } ?? false
      guard isProduct || keeps else { continue }
      for case let y? in node.outputs {
        isLast.insert(ObjectIdentifier(y))
        if let rank = y.shape?.count, rank >= 2 { axes[numbers[ObjectIdentifier(y)]!] = rank - 1 }
      }
    }
    return axes
  }

  /// The inputs of layers whose means tell what rounded weights do.
  private func meanInputs(_ choice: QuantizationScheme.Choice) -> [Int: MeanTensor.Kind] {
    let numbers = tensors.numbers
    var result: [Int: MeanTensor.Kind] = [:]
    for (i, node) in nodes.enumerated() where choice.isInteger[i] {
      guard node.rule?.treatment == .layer, node.input(1)?.kind == .weight, let x = node.input(0)
      else { continue }
      result[numbers[ObjectIdentifier(x)]!] = node.op == "Conv" ? .ofItems : .ofRows
    }
    return result
  }

  private func warn(_ members: [Int]) {
    for t in members {
      guard let own = statistics[t], tensors[t].kind == .activation else { continue }
      let name = tensors[t].name
      if own.isZero {
        warnings.append(
          "tensor '\(name)' is zero in all samples: its scale is a guess, and other inputs may be "
            + "clipped to nothing")
      }
      let maxima = own.channelMaxima
      guard maxima.count > 1, let largest = maxima.indices.max(by: { maxima[$0] < maxima[$1] })
      else { continue }
      let rest = maxima.indices.filter { $0 != largest }.map { maxima[$0] }.max() ?? 0
      guard rest > 0, maxima[largest] >= Calibrator.outlierRatio * rest else { continue }
      let steps = 255 * rest / maxima[largest]
      let loss =
        steps < 0.5
        ? "all others become zero" : "the others have about \(steps.rounded()) of its 255 steps"
      warnings.append(
        "tensor '\(name)': channel \(largest) reaches \(maxima[largest]), the others \(rest): they "
          + "share one scale, so \(loss)"
      )
    }
  }

  // MARK: Inputs of layers

  private func collect(_ choice: QuantizationScheme.Choice) throws -> [Int: LayerInputs] {
    let numbers = tensors.numbers
    var result: [Int: LayerInputs] = [:]
    var readers: [Int: [Int]] = [:]
    for (i, node) in nodes.enumerated() where choice.isInteger[i] {
      guard node.rule?.treatment == .layer, node.input(1)?.kind == .weight,
        let x = node.input(0), let inputs = LayerInputs(node)
      else { continue }
      result[i] = inputs
      readers[numbers[ObjectIdentifier(x)]!, default: []].append(i)
    }
    runner.watch(Set(readers.keys))
    try forEachRun("looking at layers' inputs") { run in
      try runner.run { t, data, shape in
        for i in readers[t] ?? [] {
          let capacity = result[i]!.capacity
          let most = (capacity + self.source.count - 1) / self.source.count
          result[i]!.add(
            UnsafePointer(data.assumingMemoryBound(to: Float.self)), shape, run: run, most: most)
        }
      }
    }
    if options.correctsBias { for i in result.keys { result[i]!.centre() } }
    return result
  }

  // MARK: Second pass

  private func count(_ members: [Int], _ byGroup: [Int: TensorStatistics]) throws {
    for (group, statistics) in byGroup where statistics.minimum < statistics.maximum {
      histograms[group] = Histogram(statistics.minimum, statistics.maximum)
    }
    func add(_ t: Int, _ x: UnsafePointer<Float>, _ n: Int) {
      histograms[scheme.groups[t]]?.add(x, n)
    }
    for t in members where tensors[t].kind == .weight && tensors[t].hasRealFloats {
      tensors[t].realFloats.withUnsafeBufferPointer { x in
        if let start = x.baseAddress { add(t, start, x.count) }
      }
    }
    runner.watch(Set(members))
    try forEachRun("counting") { _ in
      try runner.run { t, data, shape in
        guard self.tensors[t].dataType == .float32 else { return }
        add(t, UnsafePointer(data.assumingMemoryBound(to: Float.self)), shape.reduce(1, *))
      }
    }
  }
}

extension FloatModel {
  /// The inputs that calibration fills, by their numbers.
  func inputs(_ tensors: [Value], _ source: any CalibrationSource) -> [Int: Int] {
    var result: [Int: Int] = [:]
    for (i, shape) in source.shapes.enumerated() {
      if let t = tensors.firstIndex(where: { $0.name == shape.name }) { result[t] = i }
    }
    return result
  }
}
