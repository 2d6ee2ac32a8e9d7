import Foundation

/// How much a layer matters: the error of the network's outputs where it alone is quantised, over
/// the outputs themselves (mean squares).
struct Sensitivity {
  let node: Int
  let error: Double
}

/// Compares the outputs of networks with those of the float one on a few calibration samples.
final class OutputComparison {
  private let source: any CalibrationSource
  private let threads: Int
  private let runs: Int
  private var wanted: [[Float]] = []
  private var power = 0.0

  /// Enough to rank layers.
  private static let mostRuns = 32

  init(_ float: FloatModel, _ source: any CalibrationSource, threads: Int) throws {
    self.source = source
    self.threads = threads
    runs = min(source.count, OutputComparison.mostRuns)
    let runner = try GraphRunner(
      float.bytes, function: float.function, shapes: source.shapes, threads: threads,
      joinsNodes: true)
    try forEachOutput(runner) { x in
      wanted.append(x)
      for v in x { power += Double(v) * Double(v) }
    }
  }

  private func forEachOutput(_ runner: GraphRunner, _ body: ([Float]) -> Void) throws {
    for run in 0..<runs {
      // Evenly spread, but for states that go from run to run.
      try runner.start(source.carriesStates ? run : run * source.count / runs, of: source)
      try runner.run()
      for i in 0..<runner.outputCount { body(runner.isFloat(i) ? runner.output(i).elements : []) }
    }
  }

  func error(_ file: [UInt8], function: Int) throws -> Double {
    let runner = try GraphRunner(
      file, function: function, shapes: source.shapes, threads: threads, joinsNodes: true)
    var sum = 0.0
    var i = 0
    try forEachOutput(runner) { x in
      for (a, b) in zip(x, wanted[i]) {
        let d = Double(a) - Double(b)
        sum += d * d
      }
      i += 1
    }
    return power > 0 ? sum / power : sum
  }
}
