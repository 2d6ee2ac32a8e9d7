import CRegion
import CSystem
import ModelFormat
import Operators

/// A plan with its arena: runs as often as wanted, without allocating.
///
/// Threads: one at a time.
public final class Session {
  public let model: Model
  public let plan: Plan
  private let arena: UnsafeMutableRawPointer
  private let ownsArena: Bool
  private let pointers: UnsafeMutablePointer<UnsafeMutableRawPointer>
  private let steps: UnsafeMutablePointer<Unmanaged<Step>>
  private let stepCount: Int
  private let threads: Threads?
  /// For each input the slots that share its memory: binding an input moves them all.
  private let inputAliases: [[(slot: Int, offset: Int)]]
  private var isClosed = false

  /// - Parameter arena: at least `plan.arenaSize` bytes aligned to 64 that outlive the session; nil:
  ///   the session allocates them.
  public init(
    _ plan: Plan, arena: UnsafeMutableRawPointer? = nil, arenaSize: Int = 0,
    threadSettings: ThreadSettings = ThreadSettings()
  ) throws(ApusError) {
    self.plan = plan
    model = plan.model
    if let arena {
      guard Int(bitPattern: arena) % Format.alignment == 0 else {
        throw ApusError(
          .arenaMisaligned,
          "the arena starts \(Int(bitPattern: arena) % Format.alignment) bytes after a multiple of 64; it must start at one"
        )
      }
      guard arenaSize >= plan.arenaSize else {
        throw ApusError(
          .arenaTooSmall, "the arena has \(arenaSize) bytes; \(plan.arenaSize) are needed")
      }
      self.arena = arena
      ownsArena = false
    } else {
      guard let memory = apus_sys_allocate(max(plan.arenaSize, 1), Format.alignment) else {
        throw ApusError(.outOfMemory, "no memory for an arena of \(plan.arenaSize) bytes")
      }
      self.arena = memory
      ownsArena = true
    }
    stepCount = plan.steps.count
    steps = UnsafeMutablePointer<Unmanaged<Step>>.allocate(capacity: max(stepCount, 1))
    for i in 0..<stepCount {
      (steps + i).initialize(to: Unmanaged.passUnretained(plan.steps[i]))
    }
    pointers = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(
      capacity: max(plan.slots.count, 1))
    inputAliases = Session.findInputAliases(plan)
    do throws(ApusError) {
      try Session.resolve(plan, self.arena, pointers)
      threads = try Session.makeThreads(plan, threadSettings)
    } catch {
      if ownsArena { apus_sys_release(self.arena) }
      steps.deallocate()
      pointers.deallocate()
      throw error
    }
    // Padding and tensors start as zeros, so that nothing depends on what the memory held.
    memset(self.arena, 0, plan.arenaSize)
    reset()
  }

  deinit { close() }

  /// Gives back what is not reference-counted. Nobody may use the session afterwards.
  public func close() {
    if isClosed { return }
    isClosed = true
    threads?.stop()
    if ownsArena { apus_sys_release(arena) }
    steps.deallocate()
    pointers.deallocate()
  }

  /// nil where no step is worth sharing.
  private static func makeThreads(
    _ plan: Plan, _ settings: ThreadSettings
  ) throws(ApusError) -> Threads? {
    var count = 1
    for step in plan.steps { count = max(count, step.threads) }
    if count == 1 { return nil }
    if let parallelFor = settings.parallelFor {
      return CallerThreads(parallelFor, settings.parallelForContext)
    }
    return try ThreadPool(threads: count, spinMicroseconds: settings.spinMicroseconds)
  }

  private static func resolve(
    _ plan: Plan, _ arena: UnsafeMutableRawPointer,
    _ pointers: UnsafeMutablePointer<UnsafeMutableRawPointer>
  ) throws(ApusError) {
    var packed = [UnsafeMutableRawPointer](repeating: arena, count: plan.packed.count)
    // The large ones first: while a packing is made its weights are in memory twice, and that is the
    // less the fewer are there already.
    var order: [Int] = []
    for k in plan.packed.indices { order.append(k) }
    mergeSort(&order) { plan.packed[$0].byteCount > plan.packed[$1].byteCount }
    for k in order { packed[k] = try plan.model.find(plan.packed[k]) }
    for i in plan.slots.indices {
      let pointer: UnsafeMutableRawPointer
      switch plan.slots[i] {
      case .none: pointer = arena
      case .buffer(let b, let offset): pointer = arena + plan.buffers[b].offset + offset
      case .constant(let constant): pointer = UnsafeMutableRawPointer(mutating: constant)
      case .packed(let k): pointer = packed[k]
      }
      (pointers + i).initialize(to: pointer)
    }
  }

  private static func findInputAliases(_ plan: Plan) -> [[(slot: Int, offset: Int)]] {
    var all: [[(slot: Int, offset: Int)]] = []
    for t in plan.inputTensors {
      var aliases: [(slot: Int, offset: Int)] = []
      if case .buffer(let home, _) = plan.slots[t] {
        for i in plan.slots.indices {
          if case .buffer(let b, let offset) = plan.slots[i], b == home {
            aliases.append((i, offset))
          }
        }
      }
      all.append(aliases)
    }
    return all
  }

  // MARK: Running

  /// Computes the outputs and carries the states on. Real-time safe with one thread.
  ///
  /// Fails only where the plan `canFail`: the data ask for more than was planned. Outputs and states
  /// are then what the steps before have made of them.
  public func run() throws(ApusError) { try run(afterStep: nil) }

  @inline(__always) private func run(step i: Int, _ memory: Memory) {
    steps[i]._withUnsafeGuaranteedRef { step in
      if step.threads > 1, let threads {
        threads.run(step, memory)
      } else {
        step.run(memory, Share(index: 0, count: 1))
      }
    }
  }

  /// Runs the steps with a call after each: for profiles, and to look at tensors before their memory
  /// is used again.
  public func run(afterStep: ((Int) -> Void)?) throws(ApusError) {
    let control = apus_sys_flush_denormals()
    let memory = Memory(pointers)
    let canFail = plan.canFail
    if canFail { plan.failure.clear() }
    var i = 0
    while i < stepCount {
      run(step: i, memory)
      if canFail && plan.failure.isSet { break }
      afterStep?(i)
      i = steps[i]._withUnsafeGuaranteedRef { $0.next(after: i, memory) }
    }
    apus_sys_restore_float_control(control)
    if canFail && plan.failure.isSet { throw plan.failure.error }
  }

  /// Every state back to its initial value.
  public func reset() {
    for t in plan.stateTensors {
      let record = model.file.tensor(t)
      if record.offset == Format.noOffset {
        memset(pointers[t], 0, Int(record.byteCount))
      } else {
        memcpy(pointers[t], model.file.weightBytes(record.offset), Int(record.byteCount))
      }
    }
  }

  // MARK: Tensors

  /// Copies the tensor (index in the file), as the model lays it out, to memory for all its bytes.
  /// Interior tensors share memory: they hold their value only until it is used again.
  public func copy(tensor t: Int, to target: UnsafeMutableRawPointer) {
    for tensor in plan.blocked where tensor.tensor == t && !tensor.isCopy {
      tensor.blocks.copy(
        UnsafeRawPointer(pointers[tensor.slot]), to: target, intoBlocks: false,
        UnsafePointer(model.kernels), Share(index: 0, count: 1))
      return
    }
    target.copyMemory(from: pointers[t], byteCount: plan.tensors[t]!.byteCount)
  }

  public func data(input i: Int) -> UnsafeMutableRawPointer { pointers[plan.inputTensors[i]] }

  public func data(output i: Int) -> UnsafeMutableRawPointer { pointers[plan.outputSlots[i]] }

  /// Of a state (index in the file): what the next run starts from.
  public func data(state t: Int) -> UnsafeMutableRawPointer { pointers[t] }

  public func info(input i: Int) -> TensorInfo { plan.tensors[plan.inputTensors[i]]! }

  /// With the shape of the latest run, where that is known only then.
  public func info(output i: Int) -> TensorInfo {
    var info = plan.tensors[plan.outputTensors[i]]!
    if info.isBound { info.shape = plan.shape(tensor: plan.outputTensors[i]) }
    return info
  }

  /// Reads input `i` from `data`, which must hold its bytes during runs; nil: from the arena.
  public func bind(input i: Int, to data: UnsafeRawPointer?) {
    for alias in inputAliases[i] {
      guard case .buffer(let b, _) = plan.slots[alias.slot] else { continue }
      let start =
        data.map { UnsafeMutableRawPointer(mutating: $0) } ?? arena + plan.buffers[b].offset
      pointers[alias.slot] = start + alias.offset
    }
  }
}
