// Mutates model files and opens, plans and runs what comes out, under AddressSanitizer: every file
// must give an answer or an error, never a crash, a hang or a read outside of its bytes.
//
//   FuzzModels FOLDER COUNT SEED [PART PARTS]
//
// For each seed file of the folder: every record field set to telling values, truncations at every
// 64 bytes, then its share of COUNT random mutations. Checksums are put right after most mutations,
// since otherwise nothing behind them would ever be reached. Header and section table are gone
// through once for each number of sections. PART (from 0) of PARTS takes every PARTS-th file, so that
// several processes can share the work.

import Foundation
import ModelFormat
import Runtime

@main
struct FuzzModels {
  // exit() leaves no frame behind: what a frame still holds would count as leaked.
  static func main() { exit(run()) }

  @inline(never) private static func run() -> Int32 {
    let arguments = CommandLine.arguments
    guard arguments.count == 4 || arguments.count == 6, let count = Int(arguments[2]),
      let seed = UInt64(arguments[3]),
      let part = Int(arguments.count > 4 ? arguments[4] : "0"),
      let parts = Int(arguments.count > 4 ? arguments[5] : "1"), parts > 0
    else {
      FileHandle.standardError.write(
        Data("usage: FuzzModels FOLDER COUNT SEED [PART PARTS]\n".utf8))
      return 2
    }
    let folder = URL(fileURLWithPath: arguments[1])
    let files = ((try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? [])
      .filter { $0.pathExtension == "apus" }.sorted { $0.path < $1.path }
    guard !files.isEmpty else {
      FileHandle.standardError.write(Data("FuzzModels: no .apus file in \(folder.path)\n".utf8))
      return 1
    }
    var tally = Tally()
    var layouts: Set<Int> = []
    for (i, file) in files.enumerated() where i % parts == part {
      guard let bytes = try? Data(contentsOf: file) else { continue }
      let original = [UInt8](bytes)
      guard Trial.run(original) == .ran else {
        FileHandle.standardError.write(Data("FuzzModels: \(file.path) itself does not run\n".utf8))
        return 1
      }
      var mutator = Mutator(original, seed: seed &+ UInt64(i))
      let isNewLayout = layouts.insert(mutator.sectionCount).inserted
      mutator.forEachField(includingLayout: isNewLayout) { tally.add(Trial.run($0)) }
      for length in stride(from: 0, to: original.count, by: 64) {
        tally.add(Trial.run(Array(original[0..<length])))
      }
      let share = count / files.count
      for _ in 0..<share { tally.add(Trial.run(mutator.randomMutation())) }
    }
    print("\(tally.total) files: \(tally.ran) ran, \(tally.refused) refused, \(tally.skipped) too large to run")
    // A fuzzer whose files are all refused, or none, tests nothing.
    return tally.ran > tally.total / 100 && tally.refused > tally.total / 10 ? 0 : 1
  }
}

/// What became of the files.
struct Tally {
  var total = 0
  var ran = 0
  var refused = 0
  var skipped = 0

  mutating func add(_ outcome: Trial.Outcome) {
    total += 1
    switch outcome {
    case .ran: ran += 1
    case .refused: refused += 1
    case .tooLarge: skipped += 1
    }
  }
}
