import CKernels
import ModelFormat

/// A piece of memory that a step reads or writes: a tensor, a scratch buffer or packed weights.
/// Where it lies is known once the arena is laid out; steps ask `Memory` at run time.
public struct Slot {
  public let index: Int32
  public init(_ index: Int) { self.index = Int32(truncatingIfNeeded: index) }
}

/// Where the slots of a session are.
public struct Memory {
  public let pointers: UnsafeMutablePointer<UnsafeMutableRawPointer>

  public init(_ pointers: UnsafeMutablePointer<UnsafeMutableRawPointer>) {
    self.pointers = pointers
  }

  @inline(__always) public subscript(_ slot: Slot) -> UnsafeMutableRawPointer {
    pointers[Int(slot.index)]
  }

  /// The slot as float32, to read.
  @inline(__always) public func floats(_ slot: Slot) -> UnsafePointer<Float> {
    UnsafePointer(self[slot].assumingMemoryBound(to: Float.self))
  }

  /// The slot as float32, to write.
  @inline(__always) public func mutableFloats(_ slot: Slot) -> UnsafeMutablePointer<Float> {
    self[slot].assumingMemoryBound(to: Float.self)
  }
}

/// A share of a step's work: thread `index` of `count` threads.
public struct Share {
  public let index: Int
  public let count: Int

  public init(index: Int, count: Int) {
    self.index = index
    self.count = count
  }

  /// This thread's part of `0..<total`, whole multiples of `grain` but for the last. Static and the
  /// same on every run.
  public func part(of total: Int, grain: Int = 1) -> Range<Int> {
    let blocks = (total + grain - 1) / grain
    let first = blocks * index / count * grain
    let last = blocks * (index + 1) / count * grain
    return min(first, total)..<min(last, total)
  }

  /// This thread's part of the elements of `rows` rows of `length` each: whole rows, where that is
  /// fair. What is cut by rows wherever it is read and written stays in the cache of one core.
  public func part(ofRows rows: Int, of length: Int) -> Range<Int> {
    guard isFair(rows) else { return part(of: rows * length) }
    let part = part(of: rows)
    return part.lowerBound * length..<part.upperBound * length
  }

  /// Whether no thread waits long for another where each takes some of so many rows.
  func isFair(_ rows: Int) -> Bool { (rows + count - 1) / count * count * 4 <= rows * 5 }

  /// How much of `total` may be done at once so that each of several threads gets some.
  static func most(of total: Int, _ threads: Int) -> Int {
    threads > 1 ? (total + 2 * threads - 1) / (2 * threads) : total
  }

  /// As much of `left` as is done at once: `most` or, so that no remainder is small, somewhat less,
  /// if possible a multiple of `grain`.
  static func piece(of left: Int, most: Int, grain: Int) -> Int {
    let pieces = (left + most - 1) / most
    let size = (left + pieces - 1) / pieces
    let rounded = (size + grain - 1) / grain * grain
    return min(left, rounded <= most ? rounded : size)
  }
}

/// A prepared piece of work. Made when a session is planned, run as often as the session is; a step
/// never allocates, never fails, and writes the same bits however many threads share it.
///
/// What is final here stays out of some two hundred tables of virtual functions.
open class Step {
  /// How many threads may share this step's work; the others wait. Set by `shareWork`.
  public internal(set) final var threads = 1

  public init() {}

  /// In elements moved.
  private final var work = 0

  /// Lets as many of the session's threads share the step as get enough of its `work` to outweigh
  /// the wake-up.
  final func shareWork(_ work: Int, among threads: Int) {
    self.work = work
    self.threads = max(1, min(threads, work / Step.minimumWorkOfThread))
  }

  /// As many threads as there are layers to share, of `work` each time.
  final func shareLayers(_ count: Int, work: Int, among threads: Int) {
    self.work = work
    self.threads = min(count, threads)
  }

  /// Below this a second thread costs more than it brings.
  private static var minimumWorkOfThread: Int { 16_384 }

  /// Twice that where few steps are shared: each then reads what one thread wrote with two, or two
  /// wrote with one, and that costs more than the wake-up.
  public static func shareLess(_ steps: [Step]) {
    var shared = 0
    for step in steps where step.threads > 1 { shared += step.work }
    if shared >= 32 * minimumWorkOfThread { return }
    for step in steps {
      step.threads = max(1, min(step.threads, step.work / (2 * minimumWorkOfThread)))
    }
  }

  /// Does `share` of the work. All shares of one step may run at once, so they write disjoint
  /// elements.
  open func run(_ memory: Memory, _ share: Share) {}

  /// Itself, where it is one of those.
  fileprivate final var jumping: Unmanaged<JumpingStep>?

  /// The index of the step that runs after this one, which is step `i`.
  @inline(__always) public final func next(after i: Int, _ memory: Memory) -> Int {
    guard let jumping else { return i + 1 }
    return jumping._withUnsafeGuaranteedRef { $0.jump(from: i, memory) }
  }
}

/// A step behind which a run may go on elsewhere than with the next one.
open class JumpingStep: Step {
  public override init() {
    super.init()
    jumping = Unmanaged.passUnretained(self)
  }

  /// The index of the step that runs after this one, which is step `i`.
  open func jump(from i: Int, _ memory: Memory) -> Int { i + 1 }
}

/// A step that runs several times before the run goes on.
public class RepeatedStep: JumpingStep {
  /// How often, and how many of these are done.
  final var repetitions = 1
  final var position = 0

  public final override func jump(from i: Int, _ memory: Memory) -> Int {
    position += 1
    if position < repetitions { return i }
    position = 0
    return i + 1
  }
}

/// Weights in a kernel's own order: computed once for each model, shared by its sessions.
public struct PackedWeights {
  /// Of the orders below: one more whenever any kernel's order changes, so that files compiled
  /// before are not misread. `Tests/python/test_compile.py` notices.
  public static var revision: Int { 2 }

  public let slot: Slot
  public let nodeIndex: Int
  /// Which of the node's packings, where it has several or may choose between them.
  public let tag: Int
  /// Added to the tag of what is packed in bf16.
  static var bf16: Int { 32 }
  public let byteCount: Int
  public let fill: (UnsafeMutableRawPointer) -> Void
}

/// What follows a layer and the layer may compute as it stores its own result: output 0 then is
/// clip(result + addend).
public struct Epilogue {
  /// In channel blocks, of the output's shape; nil: nothing is added.
  public let addend: Slot?
  public let minimum: Float
  public let maximum: Float

  public init(addend: Slot?, minimum: Float, maximum: Float) {
    self.addend = addend
    self.minimum = minimum
    self.maximum = maximum
  }
}

/// What an operator's `plan` may ask for.
public final class PlanContext {
  public let node: NodeContext
  public let kernels: UnsafePointer<apus_kernels>
  /// For products with matrices that are constant, which may be packed in bf16. Of that table only
  /// what kernels_fill_bf16 names may differ from `kernels`.
  public let matrixKernels: UnsafePointer<apus_kernels>
  /// The session's threads.
  public let threads: Int
  /// Whether convolutions may be computed by Winograd's transforms.
  public let usesWinograd: Bool

  private let inputSlots: [Int]
  private var outputSlots: [Int]
  /// The first of the slots that scratch memory and packed weights take.
  public let firstNewSlot: Int
  /// Set by the planner: the first of the slots that this node's scratch memory took.
  public var firstSlotOfNode = 0

  // What the plan asked for, read by the planner afterwards.
  public private(set) var steps: [Step] = []
  /// Bytes of the scratch buffers, which take the slots from `firstNewSlot` on together with the
  /// packed weights; nil stands where a slot is packed weights.
  public private(set) var scratchByteCounts: [Int?] = []
  public private(set) var packed: [PackedWeights] = []
  /// Pairs in which the output may take the input's memory.
  public private(set) var inPlace: [(input: Int, output: Int)] = []
  /// Inputs that are read as the model lays them out.
  public private(set) var plainInputs: [Bool]
  /// By input and by output: the slot that holds it in channel blocks; −1: none.
  public private(set) var blockedInputs: [Int]
  public private(set) var blockedOutputs: [Int]
  /// Slots from `firstNewSlot` on that hold an input or an output in channel blocks.
  public private(set) var newBlocked: [NewBlockedTensor] = []
  /// Outputs that are nothing but an input under another shape.
  public private(set) var views: [(input: Int, output: Int, byteOffset: Int)] = []
  /// Bytes of input and output of one item in the largest convolution of the function so far: what the
  /// arena holds anyhow.
  public internal(set) var largestConvolution: Int
  /// What the node's steps may compute beside it, and whether they do.
  public let epilogue: Epilogue?
  public internal(set) var takesEpilogue = false
  /// The node's only step, if it is a recurrent layer.
  public internal(set) var recurrentLayer: RecurrentStep?

  public init(
    node: NodeContext, kernels: UnsafePointer<apus_kernels>,
    matrixKernels: UnsafePointer<apus_kernels>, threads: Int, usesWinograd: Bool = true,
    inputSlots: [Int], outputSlots: [Int], firstNewSlot: Int, blockedInputs: [Int]? = nil,
    largestConvolution: Int = 0, epilogue: Epilogue? = nil
  ) {
    self.node = node
    self.kernels = kernels
    self.matrixKernels = matrixKernels
    self.threads = threads
    self.usesWinograd = usesWinograd
    self.inputSlots = inputSlots
    self.outputSlots = outputSlots
    self.firstNewSlot = firstNewSlot
    mayUseBlocks = blockedInputs != nil
    self.largestConvolution = largestConvolution
    self.epilogue = epilogue
    self.blockedInputs = blockedInputs ?? [Int](repeating: -1, count: inputSlots.count)
    blockedOutputs = [Int](repeating: -1, count: outputSlots.count)
    plainInputs = [Bool](repeating: false, count: inputSlots.count)
  }

  /// The slot of an input that is there.
  public func input(_ i: Int) -> Slot {
    plainInputs[i] = true
    return Slot(inputSlots[i])
  }

  public func optionalInput(_ i: Int) -> Slot? { node.hasInput(i) ? input(i) : nil }

  /// The slot of an output. One that the node leaves out, though the step writes it, gets memory
  /// that nobody reads.
  public func output(_ i: Int) -> Slot {
    if !node.wantsOutput(i) && outputSlots[i] < 0 {
      outputSlots[i] = Int(scratch(byteCount: node.outputs[i].byteCount).index)
    }
    return Slot(outputSlots[i])
  }

  public func optionalOutput(_ i: Int) -> Slot? {
    node.wantsOutput(i) ? Slot(outputSlots[i]) : nil
  }

  /// Memory that lives while this node's steps run, aligned to 64 bytes, its contents unspecified.
  /// It counts against the arena: small panels belong on a kernel's stack instead.
  public func scratch(byteCount: Int) -> Slot {
    scratchByteCounts.append(byteCount)
    return Slot(firstNewSlot + scratchByteCounts.count - 1)
  }

  /// Constant data that the node's kernels want in an order of their own. `fill` runs once for each
  /// model, when the first session is created; it may read the node's constants. Aligned to 64.
  public func packedWeights(
    tag: Int = 0, byteCount: Int, fill: @escaping (UnsafeMutableRawPointer) -> Void
  ) -> Slot {
    scratchByteCounts.append(nil)
    let slot = Slot(firstNewSlot + scratchByteCounts.count - 1)
    packed.append(
      PackedWeights(
        slot: slot, nodeIndex: node.nodeIndex, tag: tag, byteCount: byteCount, fill: fill))
    return slot
  }

  /// Lets the planner give output `output` the memory of input `input`, where that input is not
  /// needed afterwards. Both must have the same bytes; the steps must then read each element before
  /// they write it.
  public func allowInPlace(input: Int, output: Int) {
    inPlace.append((input, output))
  }

  /// Declares output `output` to be input `input` itself, from `byteOffset` on: no step is needed
  /// to compute it.
  public func view(input: Int, output: Int, byteOffset: Int = 0) {
    plainInputs[input] = true
    views.append((input, output, byteOffset))
  }

  /// The same of bytes with channels last, which shapes that have batch and channels in common lie in
  /// alike.
  public func viewChannelsLast() -> Bool {
    let x = node.input(0).shape
    let y = node.outputs[0].shape
    guard hasChannelsLast(0), x.rank >= 2, y.rank >= 2, x[0] == y[0], x[1] == y[1] else {
      return false
    }
    _ = blockedOutput(0)
    views.append((0, 0, 0))
    return true
  }

  // MARK: Channel blocks

  /// Whether tensors may lie in channel blocks (ChannelBlocks.swift).
  public let mayUseBlocks: Bool

  /// Whether input `i` lies in channel blocks, which whoever computed it chose.
  public func isBlocked(_ i: Int) -> Bool {
    blockedInputs[i] >= 0 && node.input(i).dataType == .float32
  }

  /// The same of an input of bytes, whose channels then come last.
  public func hasChannelsLast(_ i: Int) -> Bool {
    blockedInputs[i] >= 0 && node.input(i).dataType != .float32
  }

  /// The slot of input `i` in channel blocks. Where it does not lie so yet, it is copied before the
  /// node's steps.
  public func blockedInput(_ i: Int) -> Slot {
    if blockedInputs[i] < 0 {
      let slot = newBlockedSlot(node.input(i), .input(i))
      for other in inputSlots.indices where inputSlots[other] == inputSlots[i] {
        blockedInputs[other] = slot
      }
    }
    return Slot(blockedInputs[i])
  }

  /// The slot of output `i` in channel blocks; then the steps write this one only.
  public func blockedOutput(_ i: Int) -> Slot {
    if blockedOutputs[i] < 0 {
      blockedOutputs[i] = newBlockedSlot(node.outputs[i], .output(i))
    }
    return Slot(blockedOutputs[i])
  }

  private func newBlockedSlot(_ tensor: TensorInfo, _ role: NewBlockedTensor.Role) -> Int {
    let blocks = ChannelBlocks(tensor.shape, kernels, tensor.dataType)
    scratchByteCounts.append(blocks.byteCount)
    let slot = firstNewSlot + scratchByteCounts.count - 1
    newBlocked.append(NewBlockedTensor(role: role, slot: slot, blocks: blocks))
    return slot
  }

  /// Adds a step. `work` estimates its cost in elements moved; threads share the step only where
  /// each gets enough to outweigh the wake-up.
  /// - Parameter shares: at most so many of them have work.
  public func emit(_ step: Step, work: Int, shares: Int = Int.max) {
    step.shareWork(work, among: min(threads, shares))
    steps.append(step)
  }

  /// The same for a step of matrix kernels, which moves so many `elements` at least.
  public func emit(_ step: Step, multiplyAccumulates: Int, elements: Int) {
    emit(step, work: max(PlanContext.work(multiplyAccumulates: multiplyAccumulates), elements))
  }

  /// Elements that are moved while matrix kernels do so many multiply-accumulates.
  static func work(multiplyAccumulates: Int) -> Int { multiplyAccumulates / 4 }
}
