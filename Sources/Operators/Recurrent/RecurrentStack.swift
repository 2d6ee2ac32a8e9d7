/// Recurrent layers of one sequence, each reading the one before it, at once: while a layer works at
/// some time steps, another works at earlier ones of the next layer. The session runs the step in
/// turns of eight time steps; in each, every layer does those that the layers before it have done.
public final class RecurrentStack: RepeatedStep {
  /// Multiply-accumulates of a layer's turn that are worth the threads' waiting for each other.
  private static var minimumTurn: Int { 65_536 }

  private var layers: [RecurrentStep]
  /// By layer: how many turns it is behind the first.
  private var delays: [Int]
  private let turns: Int

  public init(_ first: RecurrentStep) {
    layers = [first]
    delays = [0]
    turns = first.turns
  }

  /// Takes up the layer that reads the last one, where that pays and nothing but the sequence connects
  /// them; false elsewhere.
  ///
  /// - Parameter isSame: whether two slots lie in the same memory.
  public func add(_ next: RecurrentStep, isSame: (Slot, Slot) -> Bool) -> Bool {
    let last = layers[layers.count - 1]
    guard last.hasTurns, next.hasTurns,
      min(last.turnWork, next.turnWork) >= RecurrentStack.minimumTurn,
      next.reads(last, isSame: isSame)
    else { return false }
    for layer in layers where next.touchesStates(of: layer, isSame: isSame) { return false }
    let delay = delays[delays.count - 1] + next.turnsAhead
    delays.append(delay)
    layers.append(next)
    repetitions = turns + delay
    shareLayers(layers.count, work: layers.count * next.turnWork, among: next.threadCount)
    return true
  }

  public override func run(_ memory: Memory, _ share: Share) {
    // Those that have begun and have not ended, each where its weights are in the cache; where there
    // are fewer than shares, the caller's share, the first, is not without one.
    var first = 0
    while first < layers.count && position &- delays[first] >= turns { first &+= 1 }
    var end = first
    while end < layers.count && position >= delays[end] { end &+= 1 }
    let start = end &- first < share.count ? first : 0
    for i in first..<end where (i &- start) % share.count == share.index {
      layers[i].run(memory, turn: position &- delays[i])
    }
  }
}

extension RecurrentStep {
  /// Time steps of a turn: projections end where a turn does, since both leave the remainder to the
  /// first.
  private static var turnLength: Int { projectedRows }

  /// Whether the layer is one sequence, forwards, that one thread works at.
  var hasTurns: Bool {
    mostShares == 1 && node.time > RecurrentStep.turnLength && !node.isReverse
      && slots.lengths == nil
  }

  var turns: Int { (node.time + RecurrentStep.turnLength - 1) / RecurrentStep.turnLength }

  var turnWork: Int { node.multiplyAccumulates / turns }

  /// Turns that a layer before this one must be ahead of it.
  var turnsAhead: Int { looksAhead ? 2 : 1 }

  /// Whether the layer's sequence is what `other` writes, step by step.
  func reads(_ other: RecurrentStep, isSame: (Slot, Slot) -> Bool) -> Bool {
    guard let y = other.slots.y else { return false }
    return isSame(slots.x, y) && node.time == other.node.time && node.batch == other.node.batch
      && node.inputs == other.node.units && node.isBatchFirst == other.node.isBatchFirst
  }

  /// Whether the layer starts from what `other` starts from, and may write over, or ends with.
  func touchesStates(of other: RecurrentStep, isSame: (Slot, Slot) -> Bool) -> Bool {
    func touches(_ own: Slot?, _ slot: Slot?) -> Bool {
      guard let own, let slot else { return false }
      return isSame(own, slot)
    }
    let theirs = other.slots
    for own in [slots.initialH, slots.initialC] {
      if touches(own, theirs.initialH) || touches(own, theirs.initialC) || touches(own, theirs.y)
        || touches(own, theirs.yh) || touches(own, theirs.yc)
      {
        return true
      }
    }
    return false
  }

  /// The layer's time steps of a turn.
  func run(_ memory: Memory, turn: Int) {
    let first = (node.time &- 1) % RecurrentStep.turnLength &+ 1
    let end = first &+ turn &* RecurrentStep.turnLength
    let start = turn == 0 ? 0 : end &- RecurrentStep.turnLength
    if turn == 0 { progress.pointee = .init() }
    run(memory, 0, 0, 0, 0..<weights.blocks, 2 &* start..<2 &* end, &progress.pointee)
  }
}
