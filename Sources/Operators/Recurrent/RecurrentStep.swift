import CKernels
import ModelFormat

/// Runs a recurrent layer over its sequence.
///
/// Work is divided by direction and by groups of batch entries, which never wait for each other. A
/// single time step with fewer groups than threads is divided by hidden units instead.
/// For T > 1 and small groups, W·x is computed for several time steps at once: the weights are then
/// read once for all of them. A single sequence goes further: the steps' products R·h wait for
/// memory, and W·x of the next eight steps is computed meanwhile (see Gemv.swift).
final class RecurrentStep: Step {
  /// Batch entries that go through the sequence together, at most: each read of the weights serves
  /// all of them.
  static var maximumGroup: Int { 16 }
  /// Rows that are projected at once where a group is smaller than that.
  static var projectedRows: Int { 8 }

  private let node: RecurrentNode
  private let kernels: UnsafePointer<apus_kernels>
  private let weights: RecurrentWeights
  private var layers: InlineArray<2, apus_recurrent_layer>
  private var slots: RecurrentSlots
  private let group: Int
  private let groups: Int
  private let sharesUnits: Bool
  /// Time steps that are projected together.
  private let projectedSteps: Int
  /// Whether the next ones' projection is computed between the steps of these.
  private let looksAhead: Bool
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
    sharesUnits =
      node.time == 1 && groups * node.directions < threads && !resets && !isRagged
    projectedSteps =
      group >= 4 || group == 0 || isRagged
      ? 1 : min(node.time, RecurrentStep.projectedRows / group)
    looksAhead = projectedSteps == RecurrentStep.projectedRows && node.time > projectedSteps
    candidateOffset = projectedSteps * group * (looksAhead ? 2 : 1) * weights.columns
    let rows = group * node.units
    hOffset = candidateOffset + (node.linearBeforeReset ? group * weights.lanes : 0)
    // h: two buffers in turn, or one for a single step; c: one.
    cOffset = hOffset + (slots.needsH(node) ? (node.time > 1 ? 2 : 1) * rows : 0)
    resetOffset = cOffset + (node.kind == .lstm && slots.yc == nil ? rows : 0)
    gatherOffset = resetOffset + (resets ? rows : 0)
    let end = gatherOffset + (isRagged ? group * max(node.inputs, node.units) : 0)
    scratchSize = (end + 15) / 16 * 16
    let shares = max(1, min(threads, groups * node.directions))
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
    self.slots.scratch = scratch(scratchSize * shares)
  }

  /// Whether Y_h may take the memory of initial_h: it is written after the last step has read that.
  var mayWriteOverInitialH: Bool { !sharesUnits }

  override func run(_ memory: Memory, _ share: Share) {
    let items = groups &* node.directions
    if sharesUnits {
      // In twos, which end with a panel of the weights.
      let blocks = share.part(of: weights.blocks, grain: 2)
      if blocks.isEmpty { return }
      for item in 0..<items { run(memory, item, item, blocks) }
      return
    }
    for item in share.part(of: items) {
      run(memory, item, items <= share.count ? item : share.index, 0..<weights.blocks)
    }
  }

  /// One direction of one group of batch entries; of its hidden units those in `blocks`.
  private func run(_ memory: Memory, _ item: Int, _ scratchIndex: Int, _ blocks: Range<Int>) {
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
      gathered: isRagged ? scratch + gatherOffset : nil)
    var longest = 0
    for r in 0..<places.count { longest = max(longest, places.length(firstRow &+ r)) }

    var rows = RecurrentRows(repeating: apus_recurrent_row())
    for step in 0..<longest {
      var active = 0
      if step == products.steps.upperBound {
        // What is left over after whole chunks comes first.
        let count = step == 0 ? (longest &- 1) % projectedSteps &+ 1 : projectedSteps
        products.project(step..<step &+ count, of: longest, looksAhead: looksAhead)
      }
      for r in 0..<places.count {
        let row = firstRow &+ r
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
      run(&layer, &products, &rows, active, step, blocks)
    }
    let units =
      blocks.lowerBound &* weights.width..<min(node.units, blocks.upperBound &* weights.width)
    for r in 0..<places.count { places.finish(firstRow &+ r, units) }
  }

  /// One time step of the rows that have not ended.
  private func run(
    _ layer: inout apus_recurrent_layer, _ products: inout RecurrentProducts,
    _ rows: inout RecurrentRows, _ count: Int, _ step: Int, _ blocks: Range<Int>
  ) {
    // There and back: what the last step has left in the cache is used first.
    let isBackwards = step & 1 != 0
    let isLinear = node.linearBeforeReset
    if rows[0].h != nil {
      products.gather(rows, count)
      if isLinear && isBackwards { products.makeCandidates(rows, count, isBackwards: true) }
      products.addState(rows, count, isBackwards: isBackwards)
      if isLinear && !isBackwards { products.makeCandidates(rows, count, isBackwards: false) }
    }
    let resets = node.kind == .gru && !isLinear && rows[0].h != nil
    withUnsafeBytes(of: &rows) { bytes in
      guard let first = bytes.baseAddress?.assumingMemoryBound(to: apus_recurrent_row.self)
      else { return }
      let (lower, upper) = (blocks.lowerBound, blocks.upperBound)
      switch node.kind {
      case .rnn: kernels.pointee.rnn_units(&layer, first, count, lower, upper)
      case .lstm: kernels.pointee.lstm_units(&layer, first, count, lower, upper)
      case .gru:
        if resets {
          kernels.pointee.gru_reset(&layer, first, count, lower, upper)
          products.addResetState(first, count, isBackwards: isBackwards)
        }
        kernels.pointee.gru_units(&layer, first, count, lower, upper)
      }
    }
  }
}
