// Mutates ONNX models and imports, encodes, exports, plans and runs what comes out, under
// AddressSanitizer: every file must give a model or an error, never a crash, a hang, a read outside
// of its bytes or more memory than 4 times its size and 64 MB.
//
//   FuzzONNX FOLDER COUNT SEED [PART PARTS]
//
// For each seed file of the folder: truncations at 8 places, then its share of COUNT random
// mutations. PART (from 0) of PARTS takes every PARTS-th file, so that several processes can share
// the work. What is being tried lies in FOLDER/trial-PART.bin.

import AllocationCount
import Foundation

@main
struct FuzzONNX {
  // exit() leaves no frame behind: what a frame still holds would count as leaked.
  static func main() { exit(run()) }

  private static func say(_ text: String) {
    FileHandle.standardError.write(Data("FuzzONNX: \(text)\n".utf8))
  }

  @inline(never) private static func run() -> Int32 {
    let arguments = CommandLine.arguments
    guard arguments.count == 4 || arguments.count == 6, let count = Int(arguments[2]),
      let seed = UInt64(arguments[3]),
      let part = Int(arguments.count > 4 ? arguments[4] : "0"),
      let parts = Int(arguments.count > 4 ? arguments[5] : "1"), parts > 0
    else {
      say("usage: FuzzONNX FOLDER COUNT SEED [PART PARTS]")
      return 2
    }
    if allocation_count_start() == 0 { say("without AddressSanitizer no memory is counted") }
    MessageType.prepare()
    let folder = arguments[1]
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
      .filter { $0.hasSuffix(".onnx") }.sorted()
    var seeds: [(name: String, bytes: [UInt8], message: Message)] = []
    for name in names {
      guard let data = FileManager.default.contents(atPath: folder + "/" + name) else { continue }
      let bytes = [UInt8](data)
      guard let message = Message(.model, bytes[...]) else {
        say("\(name) does not follow the wire format")
        return 1
      }
      seeds.append((name, bytes, message))
    }
    guard !seeds.isEmpty else {
      say("no .onnx file in \(folder)")
      return 1
    }
    let messages = seeds.map(\.message)
    var trial = Trial(folder: folder, witness: folder + "/trial-\(part).bin")
    var tally: [Trial.Outcome: Int] = [:]
    for (i, file) in seeds.enumerated() where i % parts == part {
      guard trial.run(file.bytes) != .refused else {
        say("\(file.name) itself is refused")
        return 1
      }
      for k in 0..<8 {
        tally[trial.run(Array(file.bytes[..<(file.bytes.count * k / 8)])), default: 0] += 1
      }
      var mutator = Mutator(file.message, others: messages, seed: seed &+ UInt64(i) &* 0x1_0000)
      for k in 0..<(count / seeds.count) {
        let outcome = trial.run(mutator.next(), halfWeights: k % 8 == 0)
        tally[outcome, default: 0] += 1
      }
    }
    let total = tally.values.reduce(0, +)
    let (ran, refused) = (tally[.ran] ?? 0, tally[.refused] ?? 0)
    print(
      "\(total) files: \(ran) ran, \(refused) refused, \(tally[.tooLarge] ?? 0) not run; "
        + "at most \(Int(100 * trial.greatestShare)) % of the memory and "
        + "\(Int(1000 * trial.longest)) ms for one")
    // A fuzzer whose files are all refused, or none, tests nothing.
    return trial.violations == 0 && ran > total / 100 && refused > total / 10 ? 0 : 1
  }
}
