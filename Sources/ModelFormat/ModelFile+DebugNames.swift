// The optional section of names that people read and the runtime does without: u32 tensor count,
// u32 node count, then one more u32 than there are names, each where a name starts in the bytes
// that follow, tensors first.

extension ModelFile {
  /// A node's debug name; empty where the file has none.
  public func nodeName(_ i: Int) -> Name { debugName(i, nodes: true) }

  /// A tensor's own name or else its debug name; empty where the file has neither.
  public func displayName(tensor i: Int) -> Name {
    let own = tensorName(tensor(i))
    return own.isEmpty ? debugName(i, nodes: false) : own
  }

  /// Checked at each use: the section is optional, so a damaged one must not stop a model.
  private func debugName(_ i: Int, nodes: Bool) -> Name {
    let size = section(.debugNames).size
    guard size >= 8 else { return Name("") }
    let tensorCount = Int(load(.debugNames, 0, as: UInt32.self))
    let nodeCount = Int(load(.debugNames, 4, as: UInt32.self))
    let entry = nodes ? tensorCount + i : i
    let textStart = 8 + (tensorCount + nodeCount + 1) * 4
    guard i < (nodes ? nodeCount : tensorCount), textStart <= size else { return Name("") }
    let first = Int(load(.debugNames, 8 + entry * 4, as: UInt32.self))
    let end = Int(load(.debugNames, 12 + entry * 4, as: UInt32.self))
    guard first <= end, textStart + end <= size else { return Name("") }
    let text = base + section(.debugNames).offset + textStart + first
    let name = Name(start: text.assumingMemoryBound(to: UInt8.self), count: end - first)
    return name.isWellFormed ? name : Name("")
  }
}
