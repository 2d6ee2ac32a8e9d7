import CKernels
import Graph
import ModelFormat
import Runtime
import SessionValues
import Testing

/// Convolutions of every kind that is cut into blocks: 3 x 3 of both strides, 1 x 1, of a sequence,
/// dilated, in groups.
private func convolutions() throws -> [UInt8] {
  let b = GraphBuilder(seed: 1)
  let x = b.input("x", .float32, [1, 48, 40, 40])
  var y = b.conv(x, outChannels: 64, kernel: [3, 3], padding: [1, 1], name: "winograd")
  y = b.conv(y, outChannels: 80, kernel: [3, 3], stride: [2, 2], padding: [1, 1], name: "stride")
  y = b.conv(y, outChannels: 96, kernel: [1, 1], name: "pointwise")
  y = b.conv(
    y, outChannels: 64, kernel: [3, 3], padding: [2, 2], dilation: [2, 2], name: "dilated")
  y = b.conv(y, outChannels: 64, kernel: [5, 5], padding: [2, 2], group: 2, name: "groups")
  y = b.conv(b.reshape(y, [1, 64, 400]), outChannels: 64, kernel: [9], padding: [4], name: "sequence")
  b.output(y, "y")
  return try b.build().encode()
}

/// What the planner knows of the caches decides on blocks, not on bits.
@Test func noBitDependsOnTheCaches() throws {
  let bytes = try convolutions()
  let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes.count, alignment: 64)
  defer { memory.deallocate() }
  bytes.withUnsafeBytes { memory.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
  var scratch: Set<Int> = []
  for set in InstructionSet.allCases where set.rawValue <= InstructionSet.best.rawValue {
    var wanted: [UInt8] = []
    for cache in [128 << 10, 256 << 10, 1 << 20, 4 << 20] {
      for threads in [1, 3] {
        let model = try Model(bytes: memory, size: bytes.count, instructionSet: set)
        defer { model.close() }
        model.kernels.pointee.core_cache = cache
        let session = try Session(Plan(model, function: model.defaultFunction, threads: threads))
        defer { session.close() }
        let sizes = session.plan.buffers.filter(\.isScratch).map(\.byteCount)
        if threads == 1 { scratch.insert(sizes.reduce(0, +)) }
        session.fillInputs()
        try session.run()
        if wanted.isEmpty { wanted = session.outputBytes }
        #expect(session.outputBytes == wanted, "\(set), a cache of \(cache) bytes, \(threads) threads")
      }
    }
  }
  // It decides on something.
  #expect(scratch.count > 2)
}
