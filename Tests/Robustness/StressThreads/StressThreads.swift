// Two threads with two sessions of one model, and sessions created and destroyed meanwhile, under
// ThreadSanitizer. The outputs must be the same bits throughout, and every session must end. Built
// with APUS_STALLS (CSystem.h), threads lose their processor between any two accesses.
//
//   StressThreads ROUNDS MODEL.apus …

import Foundation
import ModelFormat
import Runtime
import SessionValues

@main
struct StressThreads {
  static func main() throws { exit(try run()) }

  @inline(never) private static func run() throws -> Int32 {
    let arguments = CommandLine.arguments
    guard arguments.count > 2, let rounds = Int(arguments[1]) else {
      FileHandle.standardError.write(Data("usage: StressThreads ROUNDS MODEL.apus …\n".utf8))
      return 2
    }
    signal(SIGALRM) { _ in
      _ = write(2, "a session hangs\n", 16)
      _exit(1)
    }
    var sessions = 0
    for path in arguments.dropFirst(2) {
      let differing = try stress(path, rounds: rounds)
      if differing > 0 {
        print("\(path): \(differing) sessions with other bits")
        return 1
      }
      sessions += 4 * rounds
    }
    print("\(arguments.count - 2) models, \(sessions) sessions, all with the same bits")
    return 0
  }

  /// The number of sessions of this model whose outputs had other bits than the first.
  private static func stress(_ path: String, rounds: Int) throws -> Int {
    let model = try path.withCString { (path) throws(ApusError) in try Model(path: path) }
    defer { model.close() }
    let wanted = try runOnce(model, threads: 1)
    let failures = Failures()
    let workers = (0..<4).map { worker in
      let thread = Thread {
        for round in 0..<rounds {
          let threads = worker < 2 ? 1 : [8, 4, 2, 3][(worker + round) % 4]
          let found = try? runOnce(model, threads: threads)
          if found != wanted { failures.add() }
        }
        failures.finished()
      }
      thread.stackSize = 1 << 20
      return thread
    }
    alarm(600)
    for worker in workers { worker.start() }
    failures.wait(for: workers.count)
    return failures.count
  }

  /// A session made, run three times and destroyed; the bytes of its outputs.
  static func runOnce(_ model: Model, threads: Int) throws -> [UInt8] {
    let plan = try Plan(model, function: model.defaultFunction, threads: threads)
    let session = try Session(plan)
    defer { session.close() }
    session.fillInputs()
    for _ in 0..<3 { try session.run() }
    return session.outputBytes
  }
}

/// A counter that threads share.
final class Failures {
  private let condition = NSCondition()
  private(set) var count = 0
  private var done = 0

  func add() {
    condition.lock()
    count += 1
    condition.unlock()
  }

  func finished() {
    condition.lock()
    done += 1
    condition.signal()
    condition.unlock()
  }

  func wait(for total: Int) {
    condition.lock()
    while done < total { condition.wait() }
    condition.unlock()
  }
}
