import Foundation
import ModelFormat
import Operators
import Runtime

/// One file through the whole library.
enum Trial {
  enum Outcome { case ran, refused, tooLarge }

  /// Beyond these a mutated model is legal and merely slow: planning it is test enough.
  private static let maximumArena = 1 << 20
  private static let maximumWork = 1 << 21

  /// Seconds after which a trial counts as hanging: the alarm then ends the process.
  private static let patience: UInt32 = 10

  static func run(_ bytes: [UInt8]) -> Outcome {
    alarm(patience)
    defer { alarm(0) }
    // Memory of exactly this size, so that AddressSanitizer sees a read one byte beyond it.
    let memory = UnsafeMutableRawPointer.allocate(byteCount: max(bytes.count, 1), alignment: 64)
    defer { memory.deallocate() }
    bytes.withUnsafeBytes { memory.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(memory), byteCount: bytes.count) }
    guard let model = try? Model(bytes: memory, size: bytes.count) else { return .refused }
    defer { model.close() }
    var outcome = Outcome.ran
    for function in 0..<model.file.count(.functions) {
      guard let plan = try? Plan(model, function: function, threads: 1) else { return .refused }
      guard plan.arenaSize <= maximumArena, work(plan) <= maximumWork else {
        outcome = .tooLarge
        continue
      }
      guard let session = try? Session(plan) else { return .refused }
      try? session.run()
      try? session.run()
      session.reset()
      session.close()
    }
    return outcome
  }

  private static func work(_ plan: Plan) -> Int {
    var total = 0
    for node in plan.nodes {
      var n = 0
      for output in node.outputs { n = max(n, output.byteCount) }
      for input in node.inputs { n = max(n, input?.byteCount ?? 0) }
      n = max(n, node.definition.multiplyAccumulates?(node) ?? 0)
      total = total.addingReportingOverflow(n).overflow ? Int.max : total + n
      if total > maximumWork { break }
    }
    return total
  }
}
