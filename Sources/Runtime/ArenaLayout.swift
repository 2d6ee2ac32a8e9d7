import ModelFormat

/// Memory of the arena that is in use from one step to another.
public struct Buffer {
  public var byteCount: Int
  public var firstStep: Int
  /// The last step that touches it, inclusive.
  public var lastStep: Int
  /// Where it starts in the arena.
  public var offset = 0
  public var isScratch = false
  /// The tensor (index in the file) that it is first made for; −1 for scratch and copies.
  public var tensor = -1

  public init(byteCount: Int, firstStep: Int, lastStep: Int) {
    self.byteCount = byteCount
    self.firstStep = firstStep
    self.lastStep = lastStep
  }

  /// Bytes that it takes in the arena, a multiple of the alignment.
  var placedSize: Int {
    (byteCount + Format.alignment - 1) / Format.alignment * Format.alignment
  }

  func overlaps(_ other: Buffer) -> Bool {
    firstStep <= other.lastStep && other.firstStep <= lastStep
  }
}

/// Places buffers in one arena so that those alive at the same step never overlap.
///
/// Dynamic storage allocation is NP-hard; first fit in several orders, the best kept, comes within a
/// few percent of the lower bound on networks.
///
/// - Complexity: O(n²) for n buffers, times the orders tried.
struct ArenaLayout {
  var buffers: [Buffer]
  var size = 0
  /// The most bytes of tensors and states (no scratch) alive at one step.
  var lowerBound = 0

  private enum Order { case bySize, byLifetime, byStart, byLoad }

  init(_ buffers: [Buffer], stepCount: Int) {
    self.buffers = buffers
    lowerBound = ArenaLayout.alive(buffers, stepCount, rounded: false).max() ?? 0
    let alive = ArenaLayout.alive(buffers, stepCount, rounded: true)
    let reachable = alive.max() ?? 0
    var best = Int.max
    for order in [Order.bySize, .byLifetime, .byStart, .byLoad] {
      var candidate = buffers
      let size = ArenaLayout.place(&candidate, ArenaLayout.keys(buffers, order, alive))
      if size < best {
        best = size
        self.buffers = candidate
      }
      if best <= reachable { break }
    }
    size = best == Int.max ? 0 : best
  }

  /// Bytes that are alive, by step: what is placed if `rounded`, else tensors and states alone.
  private static func alive(_ buffers: [Buffer], _ stepCount: Int, rounded: Bool) -> [Int] {
    var change = [Int](repeating: 0, count: stepCount + 1)
    for b in buffers where rounded || !b.isScratch {
      let bytes = rounded ? b.placedSize : b.byteCount
      change[b.firstStep] += bytes
      change[b.lastStep + 1] -= bytes
    }
    for step in 1..<change.count { change[step] += change[step - 1] }
    return change
  }

  /// By buffer: what is smaller is placed first.
  private static func keys(_ buffers: [Buffer], _ order: Order, _ alive: [Int]) -> [Int] {
    var keys: [Int] = []
    keys.reserveCapacity(buffers.count)
    for b in buffers {
      switch order {
      case .bySize: keys.append(0)
      case .byLifetime: keys.append(b.firstStep - b.lastStep)
      case .byStart: keys.append(b.firstStep)
      case .byLoad:
        // The most bytes that are alive at one of its steps.
        var most = 0
        for step in b.firstStep...max(b.firstStep, b.lastStep) { most = max(most, alive[step]) }
        keys.append(-most)
      }
    }
    return keys
  }

  /// Gives each buffer the lowest offset that is free during its life; returns the arena's size. Those
  /// of one key go by size, then by number: the layout never depends on the sort.
  private static func place(_ buffers: inout [Buffer], _ keys: [Int]) -> Int {
    var indices: [Int] = []
    indices.reserveCapacity(buffers.count)
    for i in buffers.indices { indices.append(i) }
    mergeSort(&indices) { (a, b) in
      if keys[a] != keys[b] { return keys[a] < keys[b] }
      let (x, y) = (buffers[a].placedSize, buffers[b].placedSize)
      return x != y ? x > y : a < b
    }
    // Placed buffers in the order of their offsets.
    var placed: [Int] = []
    placed.reserveCapacity(buffers.count)
    var size = 0
    for i in indices {
      let wanted = buffers[i].placedSize
      var offset = 0
      if wanted > 0 {
        for other in placed where buffers[other].overlaps(buffers[i]) {
          if buffers[other].offset >= offset + wanted { break }
          offset = max(offset, buffers[other].offset + buffers[other].placedSize)
        }
      }
      buffers[i].offset = offset
      size = max(size, offset + wanted)
      if wanted > 0 {
        var at = placed.count
        while at > 0, buffers[placed[at - 1]].offset > offset { at -= 1 }
        placed.insert(i, at: at)
      }
    }
    return size
  }
}
