// Two threads with two sessions of one model, and sessions created and destroyed meanwhile, under
// ThreadSanitizer. The outputs must be the same bits throughout.
//
//   StressThreads MODEL.apus ROUNDS

import Foundation
import ModelFormat
import Runtime

@main
struct StressThreads {
  static func main() throws { exit(try run()) }

  @inline(never) private static func run() throws -> Int32 {
    let arguments = CommandLine.arguments
    guard arguments.count == 3, let rounds = Int(arguments[2]) else {
      FileHandle.standardError.write(Data("usage: StressThreads MODEL.apus ROUNDS\n".utf8))
      return 2
    }
    let model = try arguments[1].withCString { (path) throws(ApusError) in try Model(path: path) }
    let wanted = try runOnce(model, threads: 1)
    let failures = Failures()
    let workers = (0..<4).map { worker in
      let thread = Thread {
        for round in 0..<rounds {
          let threads = worker < 2 ? 1 : 1 + round % 4
          let found = try? runOnce(model, threads: threads)
          if found != wanted { failures.add() }
        }
        failures.finished()
      }
      thread.stackSize = 1 << 20
      return thread
    }
    for worker in workers { worker.start() }
    failures.wait(for: workers.count)
    print("\(workers.count * rounds) sessions, \(failures.count) with other bits")
    return failures.count == 0 ? 0 : 1
  }

  /// A session made, run three times and destroyed; the bytes of its outputs.
  static func runOnce(_ model: Model, threads: Int) throws -> [UInt8] {
    let plan = try Plan(model, function: model.defaultFunction, threads: threads)
    let session = try Session(plan)
    defer { session.close() }
    for i in plan.inputTensors.indices {
      let info = session.info(input: i)
      if info.dataType == .float32 {
        let data = session.data(input: i).assumingMemoryBound(to: Float.self)
        for k in 0..<info.shape.count { data[k] = Float(k % 17) * 0.125 - 1 }
      }
    }
    for _ in 0..<3 { try session.run() }
    var bytes: [UInt8] = []
    for i in plan.outputTensors.indices {
      bytes += UnsafeRawBufferPointer(
        start: session.data(output: i), count: session.info(output: i).byteCount)
    }
    return bytes
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
