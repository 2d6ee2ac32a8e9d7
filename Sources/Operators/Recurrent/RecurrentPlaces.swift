import CKernels
import CSystem
import ModelFormat

/// The slots of a recurrent node; nil: left out.
struct RecurrentSlots {
  let x: Slot
  let lengths: Slot?
  let initialH: Slot?
  let initialC: Slot?
  let y: Slot?
  let yh: Slot?
  let yc: Slot?
  let packed: Slot
  var scratch: Slot?
  /// Rows as integers, where the weights are.
  var integers: Slot?

  /// Whether h needs scratch memory: neither Y keeps every step, nor Y_h the only one.
  func needsH(_ node: RecurrentNode) -> Bool { y == nil && !(node.time == 1 && yh != nil) }
}

/// Where the vectors of one direction of one group of batch entries lie during a run.
///
/// `step` counts the way the direction goes: step 0 of the reverse direction is a sequence's last
/// element.
struct RecurrentPlaces {
  let node: RecurrentNode
  let scratch: UnsafeMutablePointer<Float>?
  let firstRow: Int
  let count: Int
  private let isReverse: Bool
  private let hOffset: Int
  private let cOffset: Int
  private let xStart: UnsafePointer<Float>
  private let lengths: UnsafePointer<Int32>?
  private let initialHStart: UnsafePointer<Float>?
  private let initialCStart: UnsafePointer<Float>?
  private let yStart: UnsafeMutablePointer<Float>?
  private let yhStart: UnsafeMutablePointer<Float>?
  private let ycStart: UnsafeMutablePointer<Float>?
  // Floats from one batch entry or time step to the next.
  private let xRow: Int
  private let xTime: Int
  private let yRow: Int
  private let yTime: Int
  private let stateRow: Int

  init(
    _ node: RecurrentNode, _ slots: RecurrentSlots, _ memory: Memory, direction: Int,
    scratch: UnsafeMutablePointer<Float>?, hOffset: Int, cOffset: Int, firstRow: Int, count: Int
  ) {
    self.node = node
    self.scratch = scratch
    self.hOffset = hOffset
    self.cOffset = cOffset
    self.firstRow = firstRow
    self.count = count
    isReverse = node.isReverse || direction == 1
    let d = node.directions
    let h = node.units
    let first = node.isBatchFirst
    xRow = first ? node.time &* node.inputs : node.inputs
    xTime = first ? node.inputs : node.batch &* node.inputs
    yRow = first ? node.time &* d &* h : h
    yTime = first ? d &* h : d &* node.batch &* h
    stateRow = first ? d &* h : h
    let inY = first ? direction &* h : direction &* node.batch &* h
    xStart = memory.floats(slots.x)
    lengths = slots.lengths.map { UnsafePointer(memory[$0].assumingMemoryBound(to: Int32.self)) }
    initialHStart = slots.initialH.map { memory.floats($0) + inY }
    initialCStart = slots.initialC.map { memory.floats($0) + inY }
    yStart = slots.y.map { memory.mutableFloats($0) + inY }
    yhStart = slots.yh.map { memory.mutableFloats($0) + inY }
    ycStart = slots.yc.map { memory.mutableFloats($0) + inY }
  }

  /// Steps of a batch entry's sequence; a length outside 0...T is clamped.
  func length(_ row: Int) -> Int {
    guard let lengths else { return node.time }
    return max(0, min(Int(lengths[row]), node.time))
  }

  private func time(_ row: Int, _ step: Int) -> Int {
    isReverse ? length(row) &- 1 &- step : step
  }

  func x(_ row: Int, _ step: Int) -> UnsafePointer<Float> {
    xStart + (row &* xRow &+ time(row, step) &* xTime)
  }

  func initialH(_ row: Int) -> UnsafePointer<Float>? { initialHStart.map { $0 + row &* stateRow } }

  func initialC(_ row: Int) -> UnsafePointer<Float>? { initialCStart.map { $0 + row &* stateRow } }

  /// Where a step's h is written and the next step reads it: in Y where Y is wanted.
  func h(_ row: Int, _ step: Int) -> UnsafeMutablePointer<Float> {
    if let yStart { return yStart + (row &* yRow &+ time(row, step) &* yTime) }
    if node.time == 1, let yhStart { return yhStart + row &* stateRow }
    let buffer = node.time > 1 ? step & 1 : 0
    return scratch.unsafelyUnwrapped
      + (hOffset &+ (buffer &* count &+ row &- firstRow) &* node.units)
  }

  func c(_ row: Int) -> UnsafeMutablePointer<Float> {
    if let ycStart { return ycStart + row &* stateRow }
    return scratch.unsafelyUnwrapped + (cOffset &+ (row &- firstRow) &* node.units)
  }

  /// Writes the last h to Y_h and zeros into Y behind the sequence's end. A sequence of no steps
  /// leaves the state as it was.
  func finish(_ row: Int, _ units: Range<Int>) {
    let length = length(row)
    if let yhStart {
      let from = length > 0 ? UnsafePointer(h(row, length &- 1)) : initialH(row)
      copy(from, yhStart + row &* stateRow, units)
    }
    if let ycStart, length == 0 { copy(initialC(row), ycStart + row &* stateRow, units) }
    guard let yStart else { return }
    var t = length
    while t < node.time {
      copy(nil, yStart + (row &* yRow &+ t &* yTime), units)
      t &+= 1
    }
  }

  private func copy(
    _ source: UnsafePointer<Float>?, _ target: UnsafeMutablePointer<Float>, _ units: Range<Int>
  ) {
    let bytes = units.count &* 4
    guard let source else {
      memset(target + units.lowerBound, 0, bytes)
      return
    }
    if source != UnsafePointer(target) {
      memcpy(target + units.lowerBound, source + units.lowerBound, bytes)
    }
  }
}
