import Foundation
import Graph

/// What libapus makes of a batch that the trainer's own network was evaluated on: outputs and next
/// states, call by call.
///
/// The functions of the exported model are asked wherever they take what the trainer gave the
/// network. Where they do not (a detector that takes one image and returns boxes, a decoder with its
/// search), the functions of the trained network are, made ready to run in the same way.
///
/// Each call starts from the trainer's states. What becomes of the first output where libapus goes on
/// from its own is told too, but not judged: a machine with memory may make much of a rounding.
public struct ExportCheck {
  /// How far the numbers of a tensor may be apart: max |a − b| ≤ tolerance · max(1, max |b|).
  public static let tolerance = 1e-4

  public let calls: Int
  /// Whether it was the exported model that answered.
  public let asksExported: Bool
  /// The largest max |a − b| / max(1, max |b|), and where: "output 'logits' of 'main'".
  public private(set) var difference = 0.0
  public private(set) var place = ""
  /// The same of the first output where libapus went on from its own states; nil: there are none.
  public private(set) var driftedDifference: Double?

  /// Takes the trained graph apart: nothing may be trained or evaluated afterwards.
  public init(_ trainer: Trainer, _ task: any TrainingTask, exported: Graph) throws {
    let calls = try ExportCheck.calls(trainer, task)
    self.calls = calls.count
    asksExported = calls.allSatisfy { ExportCheck.accepts($0, exported) }
    let graph = asksExported ? exported : trainer.network.graph
    if !asksExported {
      try graph.apply()
      try graph.inferShapes()
    }
    let player = try CallPlayer(graph)
    let probabilities = asksExported ? ProbabilityOperator(exported) : nil
    func wanted(_ call: RolloutCall, output i: Int) -> [Double] {
      let values = call.outputs[i].values
      guard i == 0, let probabilities else { return values }
      return probabilities.apply(values, classes: call.outputs[0].shape.last ?? 1)
    }
    for call in calls {
      let answer = try player.play(call, fromTrainersStates: true)
      for (i, output) in answer.outputs.enumerated() {
        compare(output, wanted(call, output: i), "output", call)
      }
      for state in call.nextStates {
        // What a function only writes, and nothing of it reads, is no state of its session.
        guard let own = answer.states[state.name] else { continue }
        compare((state.name, own), state.value.values, "state", call)
      }
    }
    guard calls.contains(where: { !$0.states.isEmpty }) else { return }
    driftedDifference = try calls.reduce(0) { largest, call in
      let outputs = try player.play(call, fromTrainersStates: false).outputs
      return max(
        largest, outputs.first.map { ExportCheck.distance($0.values, wanted(call, output: 0)) } ?? 0)
    }
  }

  /// Those of the task's first batch.
  private static func calls(_ trainer: Trainer, _ task: any TrainingTask) throws -> [RolloutCall] {
    var calls: [RolloutCall] = []
    let rollout = Rollout(trainer.network, isTraining: false)
    rollout.onCall = { calls.append($0) }
    task.beginEvaluation()
    _ = try task.run(rollout, epoch: 0, index: 0)
    return calls
  }

  private static func accepts(_ call: RolloutCall, _ graph: Graph) -> Bool {
    guard let function = graph.function(named: call.function),
      function.inputs.count == call.inputs.count, function.outputs.count <= call.outputs.count
    else { return false }
    return zip(function.inputs, call.inputs).allSatisfy { input, given in
      guard let shape = input.shape else { return true }
      return shape.count == given.shape.count
        && zip(shape, given.shape).allSatisfy { $0.fixed == nil || $0.fixed == $1 }
    }
  }

  private mutating func compare(
    _ found: (name: String, values: [Double]), _ wanted: [Double], _ kind: String,
    _ call: RolloutCall
  ) {
    let distance = ExportCheck.distance(found.values, wanted)
    guard distance > difference else { return }
    difference = distance
    place = "\(kind) '\(found.name)' of '\(call.function)'"
  }

  private static func distance(_ found: [Double], _ wanted: [Double]) -> Double {
    guard found.count == wanted.count else { return .infinity }
    var (largest, scale) = (0.0, 1.0)
    for (a, b) in zip(found, wanted) where a != b && !(a.isNaN && b.isNaN) {
      let d = abs(a - b)
      largest = max(largest, d.isNaN ? .infinity : d)
    }
    for b in wanted where b.isFinite { scale = max(scale, abs(b)) }
    return largest / scale
  }

  /// "libapus: equals the trainer to 3e-07 (41 calls of the exported model; 2e-06 from its own states)".
  public var text: String {
    func short(_ x: Double) -> String { String(format: "%.0e", x) }
    return "libapus: equals the trainer to \(short(difference)) (\(calls) "
      + (calls == 1 ? "call" : "calls") + " of the \(asksExported ? "exported model" : "trained network")"
      + (driftedDifference.map { "; \(short($0)) from its own states" } ?? "") + ")"
  }

  /// - Throws: TrainingError where libapus does not compute what the trainer does.
  public func require(_ path: String) throws {
    guard difference > ExportCheck.tolerance else { return }
    throw TrainingError(
      "\(path): written, but libapus does not compute what the trainer does: \(place) is "
        + "\(String(format: "%.2g", difference)) off; \(ExportCheck.tolerance) is allowed")
  }
}

/// What an exported classifier has behind the network's logits.
private enum ProbabilityOperator {
  case softmax, sigmoid

  /// nil: the main function's first output is the network's.
  init?(_ graph: Graph) {
    guard let function = graph.mainFunction, let output = function.outputs.first,
      output.name == "probabilities"
    else { return nil }
    switch function.producer(of: output)?.op {
    case "Softmax": self = .softmax
    case "Sigmoid": self = .sigmoid
    default: return nil
    }
  }

  func apply(_ logits: [Double], classes: Int) -> [Double] {
    switch self {
    case .sigmoid: return logits.map { 1 / (1 + exp(-$0)) }
    case .softmax:
      return stride(from: 0, to: logits.count, by: max(classes, 1)).flatMap { start in
        let row = logits[start..<start + classes]
        let greatest = row.max() ?? 0
        let powers = row.map { exp($0 - greatest) }
        let sum = powers.reduce(0, +)
        return powers.map { $0 / sum }
      }
    }
  }
}
