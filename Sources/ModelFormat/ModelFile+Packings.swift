// Weights that `model-convert compile` has put into the order of a kernel module.

extension ModelFile {
  public func packing(_ i: Int) -> PackingRecord {
    let at = i * PackingRecord.size
    var r = PackingRecord()
    r.node = load(.packings, at, as: UInt32.self)
    r.tag = load(.packings, at + 4, as: UInt32.self)
    r.instructionSets = load(.packings, at + 8, as: UInt8.self)
    r.revision = load(.packings, at + 10, as: UInt16.self)
    r.offset = load(.packings, at + 16, as: UInt64.self)
    r.byteCount = load(.packings, at + 24, as: UInt64.self)
    return r
  }

  /// They stand in the order of their nodes, so that they can be found by bisection.
  func checkPackings() throws(ApusError) {
    let total = UInt64(section(.packedWeights).size)
    var last: UInt32 = 0
    for i in 0..<count(.packings) {
      let r = packing(i)
      guard r.offset % UInt64(Format.alignment) == 0, r.offset <= total,
        r.byteCount <= total - r.offset
      else {
        throw ApusError(
          .corruptFile, "packing \(i): its bytes lie outside the packed weights section")
      }
      guard r.node >= last else {
        throw ApusError(.corruptFile, "packing \(i): its node stands before the last one's")
      }
      last = r.node
    }
  }

  /// The bytes of a packing, where the file has it.
  public func packedWeights(
    node: Int, tag: Int, byteCount: Int, instructionSet: Int, revision: Int
  ) -> UnsafeRawPointer? {
    var low = 0
    var high = count(.packings)
    while low < high {
      let middle = (low + high) / 2
      if Int(packing(middle).node) < node { low = middle + 1 } else { high = middle }
    }
    while low < count(.packings) {
      let r = packing(low)
      if Int(r.node) != node { return nil }
      if Int(r.tag) == tag, r.byteCount == UInt64(byteCount), Int(r.revision) == revision,
        r.instructionSets & (1 << UInt8(instructionSet)) != 0
      {
        return base + section(.packedWeights).offset + Int(r.offset)
      }
      low += 1
    }
    return nil
  }
}
