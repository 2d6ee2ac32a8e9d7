// Runs models with forbidden memory on both sides of every tensor, weight and scratch buffer, to the
// byte, under AddressSanitizer; with every instruction set, one thread and three. The outputs must
// have the bits that they have in the ordinary arena, where buffers take turns in the same memory.
// Models that are refused are passed over. PART (from 0) of PARTS takes every PARTS-th file.
//
//   GuardTensors FOLDER [PART PARTS]

import Foundation
import ModelFormat
import Runtime
import SessionValues

@main
struct GuardTensors {
  /// Models beyond it are not run.
  private static let maximumArena = 64 << 20

  static func main() { exit(run()) }

  @inline(never) private static func run() -> Int32 {
    let arguments = CommandLine.arguments
    guard let guards = Guards(), arguments.count == 2 || arguments.count == 4,
      let part = Int(arguments.count > 2 ? arguments[2] : "0"),
      let parts = Int(arguments.count > 2 ? arguments[3] : "1"), parts > 0
    else {
      complain("usage: GuardTensors FOLDER [PART PARTS], built with --sanitize=address")
      return 2
    }
    var count = 0
    var refused = 0
    var runs = 0
    let folder = URL(fileURLWithPath: arguments[1])
    let files =
      ((try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil))
      ?? []).filter { $0.pathExtension == "apus" }.sorted { $0.path < $1.path }
    for (i, file) in files.enumerated() where i % parts == part {
      // Where AddressSanitizer stops the process, this names the model.
      guards.model = file.path
      do {
        runs += try run(file.path, guards)
        count += 1
      } catch is ApusError {
        refused += 1
      } catch {
        complain("\(file.path): \(error)")
        return 1
      }
    }
    guard count > refused, runs > count else {
      complain("GuardTensors: no model that runs")
      return 1
    }
    print("\(count) models, \(runs) guarded runs, all with the same bits; \(refused) models refused")
    return 0
  }

  private static func complain(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
  }

  /// The number of runs.
  private static func run(_ path: String, _ guards: Guards) throws -> Int {
    var runs = 0
    for set in InstructionSet.allCases.reversed()
    where set.rawValue <= InstructionSet.best.rawValue {
      let model = try path.withCString { (path) throws(ApusError) in
        try Model(path: path, instructionSet: set)
      }
      defer { model.close() }
      for function in 0..<model.file.count(.functions) {
        for threads in [1, 3] {
          let plan = try Plan(model, function: function, threads: threads)
          if plan.arenaSize > maximumArena { continue }
          let wanted = try values(Session(plan))
          let found = try guards.run(Plan(model, function: function, threads: threads), values)
          guard found == wanted else { throw OtherBits(set: "\(set)", function, threads) }
          runs += 1
        }
      }
    }
    return runs
  }

  /// What two runs, the second with the state of the first, leave; nil where a run fails.
  private static func values(_ session: Session) -> [UInt8]? {
    defer { session.close() }
    session.fillInputs()
    var bytes: [UInt8] = []
    for _ in 0..<2 {
      guard (try? session.run()) != nil else { return nil }
      bytes += session.outputBytes
    }
    return bytes
  }
}

private struct OtherBits: Error, CustomStringConvertible {
  let description: String

  init(set: String, _ function: Int, _ threads: Int) {
    description = "function \(function), \(set), \(threads) threads: other bits between guards"
  }
}
