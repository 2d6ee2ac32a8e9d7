import ModelFormat

/// A copy between two arrays whose elements lie at regular distances: the one engine under
/// Transpose, Slice, Expand, Concat and Split.
///
///     target[targetOffset + Σ i_d · targetStride_d] = source[sourceOffset + Σ i_d · sourceStride_d]
///
/// for all 0 ≤ i_d < count_d, offsets and strides in bytes. A source stride may be negative (a
/// slice that runs backwards) or 0 (an element that is repeated).
///
/// Made when a session is planned. `init` brings the copy into its simplest form: dimensions of 1
/// go, dimensions that follow each other in both arrays become one, and a short run that is
/// contiguous in both becomes one larger element.
struct StridedCopy {
  /// 1, 2, 4, 8 or 16.
  private(set) var elementSize: Int
  /// Dimensions that are left; at least 1.
  private(set) var rank = 0
  var counts = InlineArray<8, Int>(repeating: 1)
  private(set) var sourceStrides = InlineArray<8, Int>(repeating: 0)
  private(set) var targetStrides = InlineArray<8, Int>(repeating: 0)
  var sourceOffset: Int
  var targetOffset: Int
  private(set) var method = Method.elements

  /// How the innermost dimensions are copied.
  enum Method {
    /// Contiguous in both arrays: memcpy.
    case runs
    /// The last dimension is contiguous in the target, the one before it in the source: by blocks
    /// that fit the first-level cache.
    case transposed
    /// Anything else, one element after the other.
    case elements
  }

  /// - Parameters:
  ///   - counts: elements in each dimension, outermost first; the product fits in Int.
  ///   - sourceStrides, targetStrides: bytes, as many as `counts` has dimensions.
  init(
    elementSize: Int, counts shape: Shape, sourceStrides source: [Int],
    targetStrides target: [Int], sourceOffset: Int = 0, targetOffset: Int = 0
  ) {
    self.elementSize = elementSize
    self.sourceOffset = sourceOffset
    self.targetOffset = targetOffset
    let isEmpty = shape.count == 0
    for d in 0..<shape.rank where shape[d] != 1 && !isEmpty {
      if rank > 0, sourceStrides[rank - 1] == source[d] * shape[d],
        targetStrides[rank - 1] == target[d] * shape[d]
      {
        rank -= 1
        counts[rank] *= shape[d]
      } else {
        counts[rank] = shape[d]
      }
      sourceStrides[rank] = source[d]
      targetStrides[rank] = target[d]
      rank += 1
    }
    if rank == 0 {
      rank = 1
      counts[0] = isEmpty ? 0 : 1
      sourceStrides[0] = elementSize
      targetStrides[0] = elementSize
    }
    widenElements()
    chooseMethod()
  }

  private mutating func widenElements() {
    let last = rank - 1
    guard rank > 1, sourceStrides[last] == elementSize, targetStrides[last] == elementSize else {
      return
    }
    let bytes = counts[last] * elementSize
    if bytes == 2 || bytes == 4 || bytes == 8 || bytes == 16 {
      elementSize = bytes
      counts[last] = 1
      rank -= 1
    }
  }

  private mutating func chooseMethod() {
    let last = rank - 1
    if sourceStrides[last] == elementSize && targetStrides[last] == elementSize {
      method = .runs
    } else if targetStrides[last] == elementSize && elementSize <= 8 {
      for d in 0..<last where sourceStrides[d] == elementSize {
        counts.swapAt(d, last - 1)
        sourceStrides.swapAt(d, last - 1)
        targetStrides.swapAt(d, last - 1)
        method = .transposed
        return
      }
    }
  }

  /// Bytes that the copy moves.
  var byteCount: Int {
    var n = elementSize
    for d in 0..<rank { n *= counts[d] }
    return n
  }

  /// Whether one run of bytes is copied as it stands.
  var isContiguous: Bool { rank == 1 && method == .runs }

  /// The dimension that threads divide among themselves: the outermost that gives each a share
  /// worth having, else the longest.
  var dividedDimension: Int {
    var longest = 0
    for d in 0..<rank {
      if counts[d] >= 32 { return d }
      if counts[d] > counts[longest] { longest = d }
    }
    return longest
  }

  /// The part of the copy that `share` of a step does.
  func part(_ share: Share, dimension d: Int) -> StridedCopy {
    if share.count == 1 { return self }
    let grain = d >= rank - 2 ? 16 : 1
    let range = share.part(of: counts[d], grain: grain)
    var part = self
    part.counts[d] = range.count
    part.sourceOffset &+= range.lowerBound &* sourceStrides[d]
    part.targetOffset &+= range.lowerBound &* targetStrides[d]
    return part
  }
}

/// Bytes from one index to the next in each dimension of a dense tensor.
func denseStrides(_ shape: Shape, elementSize: Int) -> [Int] {
  var strides = [Int](repeating: elementSize, count: shape.rank)
  var d = shape.rank - 2
  while d >= 0 {
    strides[d] = strides[d + 1] * max(1, shape[d + 1])
    d -= 1
  }
  return strides
}

final class StridedCopyStep: Step {
  let copy: StridedCopy
  let source: Slot
  let target: Slot
  let dimension: Int

  init(_ copy: StridedCopy, _ source: Slot, _ target: Slot) {
    self.copy = copy
    self.source = source
    self.target = target
    dimension = copy.dividedDimension
  }

  override func run(_ memory: Memory, _ share: Share) {
    copy.part(share, dimension: dimension).run(UnsafeRawPointer(memory[source]), memory[target])
  }
}

extension PlanContext {
  /// Emits the copy of all of output `output` from input `input`; where nothing moves the output
  /// becomes a view of the input.
  func emitCopy(_ copy: StridedCopy, input i: Int, output o: Int) {
    if copy.isContiguous || copy.byteCount == 0 {
      view(input: i, output: o, byteOffset: copy.byteCount == 0 ? 0 : copy.sourceOffset)
    } else {
      emitPartialCopy(copy, input: i, output: o)
    }
  }

  /// Emits a copy into a part of output `output`.
  func emitPartialCopy(_ copy: StridedCopy, input i: Int, output o: Int) {
    if copy.byteCount == 0 { return }
    emit(StridedCopyStep(copy, input(i), output(o)), work: copy.byteCount / 4)
  }
}
