import CKernels
import CSystem
import ModelFormat

/// Runs a recurrent layer over its sequence.
///
/// Work is divided by direction and by groups of batch entries, which never wait for each other. A single time step with fewer groups than threads is divided by hidden units instead.
/// For T > 1 and small groups, W·x is computed for several time steps at once: the weights are then
/// read once for all of them.
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
  /// Time steps that are projected together; 1: none is.
  private let projectedSteps: Int
  private let projectedStride: Int

  // Floats of one share's scratch: offsets of its parts, and the whole.
  private let hOffset: Int
  private let cOffset: Int
  private let resetOffset: Int
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
    sharesUnits = node.time == 1 && groups * node.directions < threads && !resets
    projectedSteps =
      group >= 4 || group == 0 ? 1 : min(node.time, RecurrentStep.projectedRows / group)
    projectedStride = weights.blocks * weights.width * node.kind.gates
    hOffset = projectedSteps > 1 ? projectedSteps * group * projectedStride : 0
    let rows = group * node.units
    // h: two buffers in turn, or one for a single step; c: one.
    cOffset = hOffset + (slots.needsH(node) ? (node.time > 1 ? 2 : 1) * rows : 0)
    resetOffset = cOffset + (node.kind == .lstm && slots.yc == nil ? rows : 0)
    scratchSize = resetOffset + (resets ? rows : 0)
    let shares = max(1, min(threads, groups * node.directions))
    layers = InlineArray(repeating: apus_recurrent_layer())
    for d in 0..<node.directions {
      let first = d * node.kind.activationCount
      let count = node.kind.activationCount
      layers[d].inputs = node.inputs
      layers[d].units = node.units
      layers[d].clip = node.clip
      layers[d].input_forget = node.inputForget ? 1 : 0
      layers[d].linear_before_reset = node.linearBeforeReset ? 1 : 0
      layers[d].f = node.activations[first]
      layers[d].g = node.activations[first + min(1, count - 1)]
      layers[d].h = node.activations[first + count - 1]
      layers[d].is_standard =
        node.clip == .infinity
          && RecurrentActivations.isStandard(node.activations, first, node.kind) ? 1 : 0
    }
    self.slots.scratch = scratchSize == 0 ? nil : scratch(scratchSize * shares)
  }

  /// Whether Y_h may take the memory of initial_h: it is written after the last step has read that.
  var mayWriteOverInitialH: Bool {
    !sharesUnits && (slots.y != nil || node.time > 1)
  }

  override func run(_ memory: Memory, _ share: Share) {
    let items = groups &* node.directions
    if sharesUnits {
      let blocks = share.part(of: weights.blocks)
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
    let direction = item / groups
    let firstRow = item % groups &* group
    let count = min(group, node.batch &- firstRow)
    let places = RecurrentPlaces(
      node, slots, memory, direction: direction,
      scratch: slots.scratch.map { memory.mutableFloats($0) + scratchIndex &* scratchSize },
      hOffset: hOffset, cOffset: cOffset, firstRow: firstRow, count: count)
    var layer = layers[direction]
    weights.bind(&layer, memory.floats(slots.packed), direction: direction)
    var longest = 0
    for r in 0..<count { longest = max(longest, places.length(firstRow &+ r)) }

    var rows = InlineArray<16, apus_recurrent_row>(repeating: apus_recurrent_row())
    // Where in the projected rows each batch entry's begin.
    var projected = InlineArray<16, Int>(repeating: 0)
    let reset = places.scratch.map { $0 + resetOffset }
    for step in 0..<longest {
      let inChunk = step % projectedSteps
      if projectedSteps > 1 && inChunk == 0 { project(&layer, places, step, &projected) }
      var active = 0
      for r in 0..<count {
        let row = firstRow &+ r
        if step >= places.length(row) { continue }
        rows[active].x = places.x(row, step)
        rows[active].projected = nil
        if projectedSteps > 1, let scratch = places.scratch {
          rows[active].projected =
            UnsafePointer(scratch) + (projected[r] &+ inChunk) &* projectedStride
        }
        rows[active].h = step == 0 ? places.initialH(row) : UnsafePointer(places.h(row, step &- 1))
        rows[active].h_out = places.h(row, step)
        if node.kind == .lstm {
          rows[active].c = step == 0 ? places.initialC(row) : UnsafePointer(places.c(row))
          rows[active].c_out = places.c(row)
        }
        rows[active].reset_h = reset.map { $0 + r &* node.units }
        active &+= 1
      }
      withUnsafeBytes(of: &rows) { bytes in
        let first = bytes.baseAddress?.assumingMemoryBound(to: apus_recurrent_row.self)
        switch node.kind {
        case .rnn:
          kernels.pointee.rnn_step(&layer, first, active, blocks.lowerBound, blocks.upperBound)
        case .lstm:
          kernels.pointee.lstm_step(&layer, first, active, blocks.lowerBound, blocks.upperBound)
        case .gru:
          kernels.pointee.gru_step(&layer, first, active, blocks.lowerBound, blocks.upperBound)
        }
      }
    }
    let units =
      blocks.lowerBound &* weights.width..<min(node.units, blocks.upperBound &* weights.width)
    for r in 0..<count { places.finish(firstRow &+ r, units) }
  }

  /// W·x + b of the group's next `projectedSteps` time steps.
  private func project(
    _ layer: inout apus_recurrent_layer, _ places: RecurrentPlaces, _ step: Int,
    _ first: inout InlineArray<16, Int>
  ) {
    var x = InlineArray<8, UnsafePointer<Float>?>(repeating: nil)
    var n = 0
    for r in 0..<places.count {
      first[r] = n
      let row = places.firstRow &+ r
      let end = min(step &+ projectedSteps, places.length(row))
      var s = step
      while s < end {
        x[n] = places.x(row, s)
        n &+= 1
        s &+= 1
      }
    }
    guard let out = places.scratch else { return }
    let gates = node.kind.gates
    let leading = weights.leadingGates
    withUnsafeBytes(of: &x) { bytes in
      let x = bytes.baseAddress?.assumingMemoryBound(to: UnsafePointer<Float>?.self)
      kernels.pointee.recurrent_project(
        layer.input_weights, layer.bias, x, n, node.inputs, weights.blocks, leading, gates, out,
        projectedStride)
      if leading < gates {
        let offset = leading &* weights.width
        kernels.pointee.recurrent_project(
          layer.candidate_input_weights, layer.bias + offset, x, n, node.inputs, weights.blocks,
          gates &- leading, gates, out + offset, projectedStride)
      }
    }
  }
}
