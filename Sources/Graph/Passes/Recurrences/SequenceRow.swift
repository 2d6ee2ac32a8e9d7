import ModelFormat

/// What one step of an unrolled recurrence reads: a tensor, or element `index` along `axis` of a
/// sequence.
struct SequenceRow: Equatable {
  let value: Value
  var axis: Int?
  var index = 0

  static func == (a: SequenceRow, b: SequenceRow) -> Bool {
    a.value === b.value && a.axis == b.axis && a.index == b.index
  }
}

/// Sees through what does not change a row: Identity, axes of length 1, the ways to take one
/// element of a sequence, and sequences that were turned over or around.
struct SequenceRows {
  let editor: FunctionEditor

  /// Whether a node only adds or takes away axes of length 1 before the last axis.
  func isAlias(_ node: Node) -> Bool {
    guard let x = node.input(0), let y = node.outputs[0] else { return false }
    switch node.op {
    case "Identity": return true
    case "Squeeze", "Unsqueeze", "Reshape", "Flatten":
      guard let from = x.knownShape, let to = y.knownShape, let last = from.last, last == to.last,
        last.fixed != nil
      else { return false }
      let long = from.dropLast().filter { $0 != 1 }
      // Two dimensions without a name need not be the same.
      return long == to.dropLast().filter { $0 != 1 }
        && (node.op != "Reshape" || long.count <= 1 || !long.contains(.free("")))
    default: return false
    }
  }

  /// The tensor behind nodes that only add or take away axes of length 1.
  func peeled(_ value: Value) -> Value {
    var value = value
    // A layer's output [T, 1, N, H] is a sequence only without its axis of directions.
    while let node = editor.producer(of: value), isAlias(node), let x = node.input(0),
      (x.shape?.count ?? 0) <= 3
    { value = x }
    return value
  }

  func row(_ value: Value) -> SequenceRow {
    let value = peeled(value)
    guard let (x, axis, index) = element(value) else { return SequenceRow(value: value) }
    return element(index, of: x, axis: axis)
  }

  /// What is taken, where a value is one element of another along an axis before the last.
  func element(_ value: Value) -> (x: Value, axis: Int, index: Int)? {
    guard let node = editor.producer(of: value), let x = node.input(0), let rank = x.shape?.count,
      rank == 2 || rank == 3
    else { return nil }
    func position(_ axis: Int, _ index: Int) -> (Value, Int, Int)? {
      let axis = axis < 0 ? axis + rank : axis
      guard (0..<rank - 1).contains(axis) else { return nil }
      if index >= 0 { return (x, axis, index) }
      guard let length = x.shape?[axis].fixed, index + length >= 0 else { return nil }
      return (x, axis, index + length)
    }
    switch node.op {
    case "Gather":
      guard let indices = node.input(1)?.constantIntegers, indices.count == 1 else { return nil }
      return position(node.int("axis", default: 0), indices[0])
    case "Slice":
      guard let cut = SliceOfAxis(node), cut.count == 1 else { return nil }
      return position(cut.axis, cut.start)
    case "Split":
      guard let part = PartOfSplit(node, value), part.count == 1 else { return nil }
      return position(part.axis, part.start)
    default: return nil
    }
  }

  /// Element `index` of a sequence: of the one behind it, where it was turned over or around.
  func element(_ index: Int, of x: Value, axis: Int) -> SequenceRow {
    guard let (source, a, i) = behind(x, axis, index) else {
      return SequenceRow(value: x, axis: axis, index: index)
    }
    return element(i, of: source, axis: a)
  }

  func behind(_ x: Value, _ axis: Int, _ index: Int) -> (Value, Int, Int)? {
    guard let node = editor.producer(of: x), let source = node.input(0) else { return nil }
    switch node.op {
    case "Identity": return (source, axis, index)
    case "Transpose":
      guard let perm = node.ints("perm"), perm.count == 3, perm[2] == 2 else { return nil }
      return (source, perm[axis], index)
    case "Slice":
      guard let cut = SliceOfAxis(node), cut.axis == axis, cut.start + cut.step * index >= 0
      else { return nil }
      return (source, axis, cut.start + cut.step * index)
    default: return nil
    }
  }
}

/// A Slice along one axis whose bounds are known: elements start, start + step, …
struct SliceOfAxis {
  let axis: Int
  let start: Int
  let step: Int
  let count: Int

  init?(_ node: Node) {
    guard node.op == "Slice", let shape = node.input(0)?.shape,
      let starts = node.input(1)?.constantIntegers, let ends = node.input(2)?.constantIntegers,
      starts.count == 1, ends.count == 1
    else { return nil }
    let axes = node.input(3).map { $0.constantIntegers ?? [] } ?? [0]
    let steps = node.input(4).map { $0.constantIntegers ?? [] } ?? [1]
    guard axes.count == 1, steps.count == 1, steps[0] == 1 || steps[0] == -1 else { return nil }
    axis = axes[0] < 0 ? axes[0] + shape.count : axes[0]
    step = steps[0]
    guard shape.indices.contains(axis) else { return nil }
    if let length = shape[axis].fixed {
      func bound(_ i: Int) -> Int { i < -length ? -1 : i < 0 ? i + length : i }
      start = step > 0 ? max(0, min(bound(starts[0]), length)) : min(bound(starts[0]), length - 1)
      let end = step > 0 ? max(0, min(bound(ends[0]), length)) : min(bound(ends[0]), length)
      count = max(0, (end - start) * step)
      guard start >= 0 || count == 0 else { return nil }
    } else {
      // Of an axis of any length only elements counted from its beginning are known.
      guard step > 0, starts[0] >= 0, ends[0] > starts[0], ends[0] - starts[0] == 1
      else { return nil }
      start = starts[0]
      count = 1
    }
  }
}

/// Where an output of a Split lies in its input.
struct PartOfSplit {
  let axis: Int
  let start: Int
  let count: Int

  init?(_ node: Node, _ output: Value) {
    guard node.op == "Split", let rank = node.input(0)?.shape?.count,
      let i = node.outputs.firstIndex(where: { $0 === output })
    else { return nil }
    let stated = node.int("axis", default: 0)
    let axis = stated < 0 ? stated + rank : stated
    var start = 0
    if let lengths = node.input(1)?.constantIntegers {
      guard lengths.count == node.outputs.count else { return nil }
      start = lengths.prefix(i).reduce(0, +)
      count = lengths[i]
    } else {
      // Equal parts, but that the last may be smaller.
      guard let length = node.input(0)?.shape?[axis].fixed, !node.outputs.isEmpty else {
        return nil
      }
      let part = (length + node.outputs.count - 1) / node.outputs.count
      start = part * i
      count = min(part, length - start)
    }
    self.axis = axis
    self.start = start
  }
}
