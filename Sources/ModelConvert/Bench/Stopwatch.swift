import Foundation
import Runtime

/// Times the runs of a session. Nothing is allocated or printed while the clock runs.
struct Stopwatch {
  private let session: Session

  init(_ session: Session) { self.session = session }

  /// Nanoseconds of runs, sorted.
  struct Timing {
    let sorted: [UInt64]

    /// The value that a share `q` of the runs stays below or at (nearest rank).
    func quantile(_ q: Double) -> Double {
      let rank = Int((q * Double(sorted.count)).rounded(.up))
      return Double(sorted[min(max(rank - 1, 0), sorted.count - 1)])
    }
    var median: Double {
      let n = sorted.count
      return (Double(sorted[(n - 1) / 2]) + Double(sorted[n / 2])) / 2
    }
    var mean: Double { sorted.reduce(0.0) { $0 + Double($1) } / Double(sorted.count) }
  }

  @inline(__always) private static func now() -> UInt64 {
    var t = timespec()
    clock_gettime(CLOCK_MONOTONIC, &t)
    return UInt64(t.tv_sec) &* 1_000_000_000 &+ UInt64(t.tv_nsec)
  }

  /// Warms up for a tenth of the time (two runs at least); returns the fastest run.
  @discardableResult private func warmUp(_ seconds: Double) throws -> UInt64 {
    let limit = UInt64(min(seconds * 0.1, 1) * 1e9)
    let start = Stopwatch.now()
    var fastest = UInt64.max
    var runs = 0
    while runs < 2 || Stopwatch.now() &- start < limit {
      let begin = Stopwatch.now()
      try session.run()
      fastest = min(fastest, Stopwatch.now() &- begin)
      runs += 1
    }
    return max(fastest, 1)
  }

  /// Runs for `seconds`, three times at least.
  func time(seconds: Double) throws -> Timing {
    let fastest = try warmUp(seconds)
    let limit = UInt64(seconds * 1e9)
    let capacity = min(max(Int(limit / fastest) * 2, 3), 4_000_000)
    let samples = UnsafeMutablePointer<UInt64>.allocate(capacity: capacity)
    defer { samples.deallocate() }
    samples.initialize(repeating: 0, count: capacity)
    var count = 0
    let start = Stopwatch.now()
    var begin = start
    while count < capacity, count < 3 || begin &- start < limit {
      try session.run()
      let end = Stopwatch.now()
      samples[count] = end &- begin
      count += 1
      begin = end
    }
    return Timing(sorted: UnsafeBufferPointer(start: samples, count: count).sorted())
  }

  /// Times every step in runs of their own, and adds up the steps of each layer.
  func profile(_ opened: OpenedModel, seconds: Double) throws -> [LayerTiming] {
    let plan = session.plan
    let steps = plan.steps.count
    guard steps > 0 else { return [] }
    let fastest = try warmUp(seconds)
    let limit = UInt64(seconds * 1e9)
    let capacity = min(max(Int(limit / fastest), 3), max(4_000_000 / steps, 3))
    let samples = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity * steps)
    defer { samples.deallocate() }
    samples.initialize(repeating: 0, count: capacity * steps)
    var runs = 0
    let start = Stopwatch.now()
    while runs < capacity, runs < 3 || Stopwatch.now() &- start < limit {
      let row = samples + runs * steps
      var begin = Stopwatch.now()
      try session.run(afterStep: { step in
        let end = Stopwatch.now()
        // A step of a loop, or one that goes time step by time step, runs several times.
        let sum = UInt64(row[step]) &+ (end &- begin)
        row[step] = UInt32(truncatingIfNeeded: min(sum, UInt64(UInt32.max)))
        begin = Stopwatch.now()
      })
      runs += 1
    }
    return layers(opened, samples, runs)
  }

  private func layers(
    _ opened: OpenedModel, _ samples: UnsafeMutablePointer<UInt32>, _ runs: Int
  ) -> [LayerTiming] {
    let plan = session.plan
    let steps = plan.steps.count
    var stepsOfNode: [Int: [Int]] = [:]
    for (step, node) in plan.stepNodes.enumerated() { stepsOfNode[node, default: []].append(step) }
    func medianTime(_ own: [Int]) -> Double {
      let times = (0..<runs).map { run in
        own.reduce(UInt64(0)) { $0 + UInt64(samples[run * steps + $1]) }
      }
      return Timing(sorted: times.sorted()).median
    }
    var result: [LayerTiming] = []
    for (position, node) in plan.nodes.enumerated() {
      guard let own = stepsOfNode[node.nodeIndex] else { continue }
      let time = medianTime(own)
      let macs = node.definition.multiplyAccumulates.map { $0(node) } ?? 0
      result.append(
        LayerTiming(
          index: position, name: opened.layerName(node.nodeIndex),
          operator: node.definition.name.description,
          shape: node.outputs.first?.shape.dimensions ?? [], medianMs: time / 1e6,
          macs: macs, gflops: macs > 0 && time > 0 ? 2 * Double(macs) / time : nil))
    }
    if let copies = stepsOfNode[-1] {
      result.append(
        LayerTiming(
          index: nil, name: "outputs and states", operator: "copy", shape: [],
          medianMs: medianTime(copies) / 1e6, macs: 0, gflops: nil))
    }
    let sum = result.reduce(0) { $0 + $1.medianMs }
    for i in result.indices { result[i].share = sum > 0 ? result[i].medianMs / sum : 0 }
    return result
  }
}
