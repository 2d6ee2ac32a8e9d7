import AllocationCount
import Foundation
import Graph
import ModelFormat
import ONNX
import Operators
import Runtime

/// One file through everything that an import does, and what comes after it.
struct Trial {
  enum Outcome { case ran, refused, tooLarge }

  /// Where external data lie.
  let folder: String
  /// Where what is being tried is kept, so that a crash leaves it behind.
  private let witness: FileHandle?

  /// Beyond these a mutated model is legal and merely slow: planning it is test enough.
  private static let maximumArena = 1 << 20
  private static let maximumWork = 1 << 18

  /// Seconds after which a trial counts as hanging: the alarm then ends the process.
  private static let patience: UInt32 = 120
  /// Seconds of processor time that it may take, ten times slower than without AddressSanitizer.
  private static let maximumSeconds = 10.0

  /// Bytes beyond which an import may not allocate.
  private static func memoryLimit(_ size: Int) -> Int { 4 * size + 64 << 20 }

  /// Bytes that a plan may take beyond an import's. Tables grow with the tensors: a cubic Resize has 32
  /// bytes for each output row, and no row need be longer than one float. How large the tensors of a
  /// plan that is refused would have been, nobody says.
  private static func planLimit(_ arena: Int) -> Int { arena > 0 ? 16 * arena : 1 << 30 }

  /// The largest part of its memory limit that an import has taken, and the longest time.
  private(set) var greatestShare = 0.0
  private(set) var longest = 0.0
  private(set) var violations = 0

  init(folder: String, witness: String) {
    self.folder = folder
    FileManager.default.createFile(atPath: witness, contents: nil)
    self.witness = FileHandle(forWritingAtPath: witness)
  }

  mutating func run(_ bytes: [UInt8], halfWeights: Bool = false) -> Outcome {
    keep(bytes)
    alarm(Trial.patience)
    defer { alarm(0) }
    let start = clock()
    let (file, imported) = Trial.peak { convert(bytes, halfWeights) }
    var arena = 0
    let (outcome, planned) = Trial.peak { file?.withUnsafeBytes { open($0, &arena) } ?? .refused }
    // Of processor time: the machine may have other things to do.
    let seconds = Double(clock() - start) / Double(CLOCKS_PER_SEC)
    let limit = Trial.memoryLimit(bytes.count)
    greatestShare = max(greatestShare, Double(imported) / Double(limit))
    longest = max(longest, seconds)
    if imported > limit { complain(bytes, "took \(imported) bytes to import") }
    if planned > limit + Trial.planLimit(arena) {
      complain(bytes, "took \(planned) bytes to plan \(arena)")
    }
    if seconds > Trial.maximumSeconds { complain(bytes, "took \(seconds) seconds") }
    return outcome
  }

  /// The most bytes that were allocated at once by `body`, and its result.
  private static func peak<Result>(_ body: () -> Result) -> (Result, bytes: Int) {
    let before = allocation_count_current()
    allocation_count_reset_peak()
    let result = body()
    return (result, allocation_count_peak() &- before)
  }

  private func keep(_ bytes: [UInt8]) {
    guard let witness else { return }
    bytes.withUnsafeBytes { _ = pwrite(witness.fileDescriptor, $0.baseAddress, $0.count, 0) }
    ftruncate(witness.fileDescriptor, bytes.count)
  }

  private mutating func complain(_ bytes: [UInt8], _ what: String) {
    violations += 1
    let path = folder + "/violation-\(violations).bin"
    FileManager.default.createFile(atPath: path, contents: Data(bytes))
    FileHandle.standardError.write(Data("FuzzONNX: \(path) (\(bytes.count) bytes) \(what)\n".utf8))
  }

  /// The .apus file; nil where the import is refused.
  private func convert(_ bytes: [UInt8], _ halfWeights: Bool) -> [UInt8]? {
    // Memory of exactly this size, so that AddressSanitizer sees a read one byte beyond it.
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { memory.deallocate() }
    memory.copyBytes(from: bytes)
    var options = ImportOptions()
    options.halfWeights = halfWeights
    let file: [UInt8]
    do {
      let importer = try Importer(UnsafeRawBufferPointer(memory), folder: folder, options: options)
      file = try importer.run().encode()
    } catch {
      precondition(!"\(error)".isEmpty)
      return nil
    }
    if let graph = try? Graph(decoding: file), let exporter = try? Exporter(graph) {
      _ = try? exporter.run()
    }
    return file
  }

  private func open(_ bytes: UnsafeRawBufferPointer, _ arena: inout Int) -> Outcome {
    guard let start = bytes.baseAddress,
      let model = try? Model(bytes: start, size: bytes.count)
    else { return .refused }
    defer { model.close() }
    guard let plan = try? Plan(model, function: 0, threads: 1) else { return .refused }
    arena = plan.arenaSize
    guard plan.arenaSize <= Trial.maximumArena, work(plan) <= Trial.maximumWork else {
      return .tooLarge
    }
    guard let session = try? Session(plan) else { return .refused }
    try? session.run()
    session.close()
    return .ran
  }

  private func work(_ plan: Plan) -> Int {
    var total = 0
    for node in plan.nodes {
      if node.definition.control != nil { return Int.max }
      var n = 0
      for output in node.outputs { n = max(n, output.byteCount) }
      for input in node.inputs { n = max(n, input?.byteCount ?? 0) }
      n = max(n, node.definition.multiplyAccumulates?(node) ?? 0)
      total = total.addingReportingOverflow(n).overflow ? Int.max : total + n
      if total > Trial.maximumWork { break }
    }
    return total
  }
}
