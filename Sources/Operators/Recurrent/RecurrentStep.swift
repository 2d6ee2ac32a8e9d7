import CKernels
import ModelFormat

/// Runs a recurrent layer over its sequence.
///
/// Work is divided by direction and by groups of batch entries, which never wait for each other.
/// With fewer of them than threads it is divided by hidden units instead, and the session runs the
/// step once for each time step, or twice where r⊙h is needed in between: each thread's part of R
/// then lives in its own core's cache.
/// For T > 1 and small groups, W·x is computed for several time steps at once: the weights are then
/// read once for all of them. A single sequence goes further: the steps' products R·h wait for
/// memory, and W·x of the next eight steps is computed meanwhile (see Gemv.swift).
public final class RecurrentStep: RepeatedStep {
  /// Batch entries that go through the sequence together, at most: each read of the weights serves
  /// all of them.
  static var maximumGroup: Int { 16 }
  /// Rows that are projected at once where a group is smaller than that.
  static var projectedRows: Int { 8 }
  /// Multiply-accumulates of a time step's R·h, for each thread, that are worth the threads' waiting
  /// for each other: with half of that two were slower than one.
  private static var minimumSharedWork: Int { 65_536 }

  let node: RecurrentNode
  private let kernels: UnsafePointer<apus_kernels>
  let weights: RecurrentWeights
  private var layers: InlineArray<2, apus_recurrent_layer>
  private(set) var slots: RecurrentSlots
  private let group: Int
  private let groups: Int
  private let sharesUnits: Bool
  /// Runs of this step for a time step, if it runs for each: 1 or 2. Else 0.
  private let parts: Int
  /// For each item and thread.
  let progress: UnsafeMutablePointer<RecurrentProducts.Progress>
  let threadCount: Int
  /// Time steps that are projected together.
  private let projectedSteps: Int
  /// Whether the next ones' projection is computed between the steps of these.
  let looksAhead: Bool
  /// Whether the rows of a group may be at different times: their vectors are then gathered.
  private let isRagged: Bool

  // Floats of one share's scratch: the sums come first; offsets of the other parts, and the whole.
  private let candidateOffset: Int
  private let hOffset: Int
  private let cOffset: Int
  private let resetOffset: Int
  private let gatherOffset: Int
  private let scratchSize: Int

  /// - Parameter scratch: takes a number of floats.
  init(
    _ node: RecurrentNode, _ kernels: UnsafePointer<apus_kernels>, _ weights: RecurrentWeights,
    _ slots: RecurrentSlots, threads: Int, scratch: (Int) -> Slot?
  ) {
    self.node = node
    self.kernels = kernels
    self.weights = weights
    self.slots = slots
    // Fours fill the kernels' tiles; small groups where there are threads to fill.
    let fair = (node.batch * node.directions + threads - 1) / threads
    group = min(node.batch, max(4, min(RecurrentStep.maximumGroup, (fair + 3) / 4 * 4)))
    groups = group == 0 ? 0 : (node.batch + group - 1) / group
    let resets = node.kind == .gru && !node.linearBeforeReset
    isRagged = group > 1 && slots.lengths != nil
    let items = groups * node.directions
    let recurrentWork = node.kind.gates * node.units * node.units
    sharesUnits =
      items < threads && !isRagged
      && (node.time == 1 && !resets
        || recurrentWork >= RecurrentStep.minimumSharedWork * threads)
    parts = !sharesUnits || node.time == 1 && !resets ? 0 : resets ? 2 : 1
    threadCount = threads
    let progressCount = parts == 0 ? 1 : max(1, items * threads)
    progress = .allocate(capacity: progressCount)
    progress.initialize(repeating: .init(), count: progressCount)
    projectedSteps =
      group >= 4 || group == 0 || isRagged
      ? 1 : min(node.time, RecurrentStep.projectedRows / group)
    // In bf16 the product costs less than its turns with the other would.
    looksAhead =
      projectedSteps == RecurrentStep.projectedRows && node.time > projectedSteps
      && kernels.pointee.word_depth == 1 && !node.isInteger
    candidateOffset = projectedSteps * group * (looksAhead ? 2 : 1) * weights.columns
    let rows = group * node.units
    hOffset = candidateOffset + (node.linearBeforeReset ? group * weights.lanes : 0)
    // h: two buffers in turn, or one for a single step; c: one.
    cOffset = hOffset + (slots.needsH(node) ? (node.time > 1 ? 2 : 1) * rows : 0)
    resetOffset = cOffset + (node.kind == .lstm && slots.yc == nil ? rows : 0)
    gatherOffset = resetOffset + (resets ? rows : 0)
    let end = gatherOffset + (isRagged ? group * max(node.inputs, node.units) : 0)
    scratchSize = (end + 15) / 16 * 16
    let shares = max(1, min(threads, items))
    layers = InlineArray(repeating: apus_recurrent_layer())
    for d in 0..<node.directions {
      let first = d * node.kind.activationCount
      let count = node.kind.activationCount
      layers[d].units = node.units
      layers[d].clip = node.clip
      layers[d].input_forget = node.inputForget ? 1 : 0
      layers[d].f = node.activations[first]
      layers[d].g = node.activations[first + min(1, count - 1)]
      layers[d].h = node.activations[first + count - 1]
      layers[d].is_standard =
        node.clip == .infinity
          && RecurrentActivations.isStandard(node.activations, first, node.kind) ? 1 : 0
    }
    super.init()
    repetitions = max(1, parts &* node.time)
    self.slots.scratch = scratch(scratchSize * shares)
    if node.isInteger { self.slots.integers = scratch(weights.integersSize * threads) }
  }

  deinit { progress.deallocate() }

  /// Whether Y_h may take the memory of initial_h: it is written after the last step has read that.
  var mayWriteOverInitialH: Bool { !sharesUnits }

  /// Shares that the step can be cut into.
  var mostShares: Int { sharesUnits ? Int.max : groups &* node.directions }

  public override func run(_ memory: Memory, _ share: Share) {
    let items = groups &* node.directions
    if !sharesUnits {
      for item in share.part(of: items) {
        var progress = RecurrentProducts.Progress()
        run(
          memory, item, items <= share.count ? item : share.index, share.index,
          0..<weights.blocks, 0..<2 &* node.time, &progress)
      }
      return
    }
    // In twos, which end with a panel of the weights.
    let blocks = share.part(of: weights.blocks, grain: 2)
    let all = 0..<2 &* node.time
    for item in 0..<items {
      if parts == 0 {
        var progress = RecurrentProducts.Progress()
        run(memory, item, item, share.index, blocks, all, &progress)
      } else {
        let own = progress + (item &* threadCount &+ share.index)
        let first = parts == 2 ? position : 2 &* position
        if position == 0 { own.pointee = .init() }
        run(
          memory, item, item, share.index, blocks, first..<first &+ 3 &- parts, &own.pointee)
      }
    }
  }

  /// One direction of one group of batch entries; of its hidden units those in `blocks`, of its
  /// time steps the halves in `halves`: the first ends where r⊙h is needed.
  func run(
    _ memory: Memory, _ item: Int, _ scratchIndex: Int, _ thread: Int, _ blocks: Range<Int>,
    _ halves: Range<Int>, _ progress: inout RecurrentProducts.Progress
  ) {
    guard let slot = slots.scratch else { return }
    let direction = item / groups
    let firstRow = item % groups &* group
    let scratch = memory.mutableFloats(slot) + scratchIndex &* scratchSize
    let places = RecurrentPlaces(
      node, slots, memory, direction: direction, scratch: scratch, hOffset: hOffset,
      cOffset: cOffset, firstRow: firstRow, count: min(group, node.batch &- firstRow))
    let packed = weights.direction(direction, memory.floats(slots.packed))
    var layer = layers[direction]
    layer.peepholes = packed.peepholes
    var products = RecurrentProducts(
      kernels, weights, packed, places, blocks, sums: scratch,
      gathered: isRagged ? scratch + gatherOffset : nil,
      integers: slots.integers.map {
        memory[$0].assumingMemoryBound(to: Int32.self) + thread &* weights.integersSize
      }, progress)
    var longest = 0
    for r in 0..<places.count { longest = max(longest, places.length(firstRow &+ r)) }

    var room = InlineArray<16, apus_recurrent_row>(repeating: apus_recurrent_row())
    withUnsafeMutableBytes(of: &room) { bytes in
      guard let rows = bytes.baseAddress?.assumingMemoryBound(to: apus_recurrent_row.self)
      else { return }
      run(&layer, &products, rows, packed, places, scratch, blocks, halves, longest)
    }
    progress = products.progress
    if halves.upperBound < 2 &* node.time { return }
    let units =
      blocks.lowerBound &* weights.width..<min(node.units, blocks.upperBound &* weights.width)
    for r in 0..<places.count { places.finish(firstRow &+ r, units) }
  }

  /// The time steps of that, of which the longest sequence has `longest`.
  private func run(
    _ layer: inout apus_recurrent_layer, _ products: inout RecurrentProducts,
    _ rows: UnsafeMutablePointer<apus_recurrent_row>, _ packed: RecurrentWeights.Direction,
    _ places: RecurrentPlaces, _ scratch: UnsafeMutablePointer<Float>, _ blocks: Range<Int>,
    _ halves: Range<Int>, _ longest: Int
  ) {
    var half = halves.lowerBound
    while half < min(halves.upperBound, 2 &* longest) {
      let step = half / 2
      if step == products.progress.steps.upperBound {
        // What is left over after whole chunks comes first.
        let count = step == 0 ? (longest &- 1) % projectedSteps &+ 1 : projectedSteps
        products.project(step..<step &+ count, of: longest, looksAhead: looksAhead)
      }
      var active = 0
      for row in places.firstRow..<places.firstRow &+ places.count {
        if step >= places.length(row) { continue }
        rows[active].sums = UnsafePointer(products.sums(step, active))
        rows[active].h = step == 0 ? places.initialH(row) : UnsafePointer(places.h(row, step &- 1))
        rows[active].h_out = places.h(row, step)
        if node.kind == .lstm {
          rows[active].c = step == 0 ? places.initialC(row) : UnsafePointer(places.c(row))
          rows[active].c_out = places.c(row)
        }
        rows[active].candidate = nil
        if node.linearBeforeReset {
          rows[active].candidate =
            rows[active].h == nil
            ? packed.recurrentBias
            : UnsafePointer(scratch) + (candidateOffset &+ active &* weights.lanes)
        }
        rows[active].reset_h = scratch + (resetOffset &+ active &* node.units)
        active &+= 1
      }
      // There and back: what the last step has left in the cache is used first.
      let isBackwards = step & 1 != 0
      if half & 1 == 0 { begin(&layer, &products, rows, active, isBackwards, blocks) }
      if half & 1 != 0 || half &+ 1 < halves.upperBound {
        end(&layer, &products, rows, active, isBackwards, blocks)
        half = 2 &* step &+ 2
      } else {
        half &+= 1
      }
    }
  }

  /// A time step of the rows that have not ended, up to r⊙h.
  private func begin(
    _ layer: inout apus_recurrent_layer, _ products: inout RecurrentProducts,
    _ rows: UnsafePointer<apus_recurrent_row>, _ count: Int, _ isBackwards: Bool,
    _ blocks: Range<Int>
  ) {
    if rows[0].h == nil { return }
    let isLinear = node.linearBeforeReset
    products.gather(rows, count)
    if isLinear && isBackwards { products.makeCandidates(rows, count, isBackwards: true) }
    products.addState(rows, count, isBackwards: isBackwards)
    if isLinear && !isBackwards { products.makeCandidates(rows, count, isBackwards: false) }
    if node.kind == .gru && !isLinear {
      kernels.pointee.gru_reset(&layer, rows, count, blocks.lowerBound, blocks.upperBound)
    }
  }

  /// The rest of it.
  private func end(
    _ layer: inout apus_recurrent_layer, _ products: inout RecurrentProducts,
    _ rows: UnsafePointer<apus_recurrent_row>, _ count: Int, _ isBackwards: Bool,
    _ blocks: Range<Int>
  ) {
    if node.kind == .gru && !node.linearBeforeReset && rows[0].h != nil {
      products.addResetState(rows, count, isBackwards: isBackwards)
    }
    let (lower, upper) = (blocks.lowerBound, blocks.upperBound)
    switch node.kind {
    case .rnn: kernels.pointee.rnn_units(&layer, rows, count, lower, upper)
    case .lstm: kernels.pointee.lstm_units(&layer, rows, count, lower, upper)
    case .gru: kernels.pointee.gru_units(&layer, rows, count, lower, upper)
    }
  }
}
