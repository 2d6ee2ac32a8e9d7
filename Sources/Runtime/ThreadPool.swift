import CSystem
import ModelFormat
import Operators

/// The threads of one session, its caller among them.
///
/// The caller opens the shares of a step, calls a worker for each and does share 0 itself. Whoever
/// has done a share claims another that is still open; a worker first tries the one of its own
/// number, so that from step to step it reads what it wrote itself. A worker that sleeps, or has lost
/// its processor to other work, thus holds up nothing; who does a share makes no difference to its
/// bits. A worker without work spins for a while, since steps follow each other closely, and then
/// parks.
///
/// Whoever clears a share's bit in `open` has claimed it, and only the caller sets bits: after it has
/// written the step, and not before all shares of the step before are done. A claim, however late it
/// comes, is thus one of the step that stands there, which stays until the share is done. The caller
/// waits for none but claimed shares, and their holders for nobody.
///
/// A worker that loses its processor within a share does hold the caller up. Where that happens the
/// machine has other work, and that worker is not called for many times what has been lost.
final class ThreadPool: Threads {
  /// What the caller and one worker share. The worker spins on the first cache line.
  private struct Worker {
    /// How often it was called.
    var calls: Int32 = 0
    var isParked: Int32 = 0
    var isStopping: Int32 = 0
    /// Where the caller was when it last woke this worker.
    var callerProcessor: Int32 = -1
    /// The caller does not call it before this moment.
    var restsUntil: Int64 = 0
    let index: Int
    let spinMicroseconds: Int
    let team: UnsafeMutablePointer<Team>
    var mutex = pthread_mutex_t()
    var condition = pthread_cond_t()
    var padding: InlineArray<8, Int64> = .init(repeating: 0)
  }

  /// The step at hand.
  private struct Team {
    /// A bit for each share that nobody has claimed.
    var open: UInt64 = 0
    var step: Unmanaged<Step>?
    var memory: UnsafeMutablePointer<UnsafeMutableRawPointer>?
    /// By share: the worker that has claimed it, which writes it. Memory of its own, since to Swift
    /// an array's elements are one variable.
    let holders: UnsafeMutablePointer<Int8>
    /// A bit for each share that a worker has done: on a line of its own, on which the caller spins.
    var done: UInt64 = 0
    var padding: InlineArray<8, Int64> = .init(repeating: 0)
  }

  private let workers: UnsafeMutablePointer<Worker>
  private let team: UnsafeMutablePointer<Team>
  private var handles: [pthread_t] = []

  /// The bits of Team's words.
  private static var mostShares: Int { 64 }
  /// Microseconds of spinning before a worker offers its processor to others.
  private static var yieldAfter: Int64 { 20 }
  /// Microseconds of waiting that are not worth a remedy.
  private static var leastLoss: Int64 { 100 }
  /// What is beyond that was no other work on a processor: the process was stopped for a while, or the
  /// machine asleep.
  private static var mostLoss: Int64 { 20_000 }
  /// How much longer than the last loss a lone worker rests: it costs a fifteenth of the time at most.
  private static var restForLoss: Int64 { 15 }

  /// Pauses of the caller before it offers its processor to others, which matters only where there
  /// are fewer processors than threads.
  private static var pausesBeforeYield: Int { 2_000 }

  /// Starts `count` − 1 workers; the caller is the remaining thread. More threads than processors
  /// only take time from each other.
  init(threads count: Int, spinMicroseconds: Int) throws(ApusError) {
    let count = min(count, Int(apus_sys_processor_count()))
    team = UnsafeMutablePointer<Team>.allocate(capacity: 1)
    let holders = UnsafeMutablePointer<Int8>.allocate(capacity: ThreadPool.mostShares)
    holders.initialize(repeating: 0, count: ThreadPool.mostShares)
    team.initialize(to: Team(holders: holders))
    workers = UnsafeMutablePointer<Worker>.allocate(capacity: max(count - 1, 1))
    // All that the workers' creation allocates here comes before the first of them runs.
    handles.reserveCapacity(count)
    super.init()
    for k in 0..<count - 1 {
      let worker = workers + k
      worker.initialize(to: Worker(index: k + 1, spinMicroseconds: spinMicroseconds, team: team))
      pthread_mutex_init(&worker.pointee.mutex, nil)
      pthread_cond_init(&worker.pointee.condition, nil)
      var handle = pthread_t()
      let code = apus_sys_thread_create(
        &handle,
        { argument in
          ThreadPool.work(argument!.assumingMemoryBound(to: Worker.self))
          return nil
        }, worker)
      guard code == 0 else {
        ThreadPool.destroy(worker)
        stop()
        throw ApusError(.threadFailed, "thread \(k + 2) could not be started (error \(code))")
      }
      handles.append(handle)
    }
  }

  /// Ends the workers and waits for them.
  override func stop() {
    for k in handles.indices {
      apus_sys_store_release(&workers[k].isStopping, 1)
      call(workers + k)
    }
    for k in handles.indices {
      _ = apus_sys_thread_join(handles[k])
      ThreadPool.destroy(workers + k)
    }
    workers.deallocate()
    team.pointee.holders.deallocate()
    team.deallocate()
  }

  private static func destroy(_ worker: UnsafeMutablePointer<Worker>) {
    pthread_cond_destroy(&worker.pointee.condition)
    pthread_mutex_destroy(&worker.pointee.mutex)
  }

  override func run(_ step: Step, _ memory: Memory) {
    let count = step.threads
    let start = apus_sys_microseconds()
    team.pointee.step = Unmanaged.passUnretained(step)
    team.pointee.memory = memory.pointers
    apus_sys_store_bits(&team.pointee.done, 0)
    var others = UInt64.max >> UInt64(64 - count) & ~1
    apus_sys_store_bits(&team.pointee.open, others)
    for k in 0..<min(count - 1, handles.count) where workers[k].restsUntil <= start {
      call(workers + k)
    }
    step.run(memory, Share(index: 0, count: count))
    // From the worker on that was called last.
    while let share = ThreadPool.claim(team, from: count - 1) {
      step.run(memory, Share(index: share, count: count))
      others &= ~(1 << UInt64(share))
    }
    if apus_sys_load_bits(&team.pointee.done) != others { wait(for: others, since: start) }
  }

  private func wait(for shares: UInt64, since start: Int64) {
    let ready = apus_sys_microseconds()
    var pauses = 0
    var missing: UInt64 = 0
    while true {
      let left = shares & ~apus_sys_load_bits(&team.pointee.done)
      if left == 0 { break }
      missing = left
      pauses += 1
      if pauses > ThreadPool.pausesBeforeYield { sched_yield() } else { apus_sys_pause() }
    }
    let now = apus_sys_microseconds()
    let lost = now - ready
    // Shares are alike: one that takes many times as long as the caller's has been interrupted.
    if lost <= max(3 * (ready - start), ThreadPool.leastLoss) { return }
    // Together the workers cost no more than one alone may.
    let rest = ThreadPool.restForLoss * min(lost, ThreadPool.mostLoss) * Int64(handles.count)
    while missing != 0 {
      let holder = Int(team.pointee.holders[missing.trailingZeroBitCount])
      workers[holder - 1].restsUntil = now + rest
      missing &= missing - 1
    }
  }

  /// Claims a share that is open, from share `first` on; nil: none is.
  private static func claim(_ team: UnsafeMutablePointer<Team>, from first: Int) -> Int? {
    while true {
      let open = apus_sys_load_bits(&team.pointee.open)
      if open == 0 { return nil }
      let further = (open >> UInt64(first)) << UInt64(first)
      let share = (further != 0 ? further : open).trailingZeroBitCount
      if apus_sys_take_bit(&team.pointee.open, Int32(share)) { return share }
    }
  }

  /// Of the two orders, "call, then look whether the worker is parked" here and "say parked, then
  /// look for a call" there, one thread at least sees what the other wrote.
  private func call(_ worker: UnsafeMutablePointer<Worker>) {
    apus_sys_add_ordered(&worker.pointee.calls, 1)
    if apus_sys_load_ordered(&worker.pointee.isParked) != 0,
      apus_sys_replace(&worker.pointee.isParked, 1, 0)
    {
      pthread_mutex_lock(&worker.pointee.mutex)
      worker.pointee.callerProcessor = apus_sys_processor()
      pthread_cond_signal(&worker.pointee.condition)
      pthread_mutex_unlock(&worker.pointee.mutex)
    }
  }

  private static func work(_ worker: UnsafeMutablePointer<Worker>) {
    _ = apus_sys_flush_denormals()
    let index = worker.pointee.index
    let team = worker.pointee.team
    var seen: Int32 = 0
    while true {
      spin(worker, seen)
      if apus_sys_load_acquire(&worker.pointee.calls) == seen { park(worker, seen) }
      seen = apus_sys_load_acquire(&worker.pointee.calls)
      if apus_sys_load_acquire(&worker.pointee.isStopping) != 0 { return }
      while let share = claim(team, from: index) {
        team.pointee.holders[share] = Int8(index)
        if let step = team.pointee.step, let memory = team.pointee.memory {
          step._withUnsafeGuaranteedRef {
            $0.run(Memory(memory), Share(index: share, count: $0.threads))
          }
        }
        apus_sys_add_bit(&team.pointee.done, Int32(share))
      }
    }
  }

  private static func spin(_ worker: UnsafeMutablePointer<Worker>, _ seen: Int32) {
    let start = apus_sys_microseconds()
    var spent: Int64 = 0
    repeat {
      for _ in 0..<32 {
        if apus_sys_load_acquire(&worker.pointee.calls) != seen { return }
        apus_sys_pause()
      }
      // The caller itself may wait for this processor.
      if spent > yieldAfter { sched_yield() }
      spent = apus_sys_microseconds() - start
    } while spent < worker.pointee.spinMicroseconds
  }

  private static func park(_ worker: UnsafeMutablePointer<Worker>, _ seen: Int32) {
    pthread_mutex_lock(&worker.pointee.mutex)
    while true {
      // Anew after each wait: a signal may be late, meant for an earlier call, and whoever sends it
      // has cleared this.
      apus_sys_store_ordered(&worker.pointee.isParked, 1)
      if apus_sys_load_ordered(&worker.pointee.calls) != seen { break }
      pthread_cond_wait(&worker.pointee.condition, &worker.pointee.mutex)
    }
    apus_sys_store_ordered(&worker.pointee.isParked, 0)
    let callerProcessor = worker.pointee.callerProcessor
    pthread_mutex_unlock(&worker.pointee.mutex)
    // Linux wakes a thread where its waker is if it does not look further, and leaves the two there
    // for a while, another processor idle or not.
    if callerProcessor >= 0, callerProcessor == apus_sys_processor() {
      apus_sys_leave_processor(callerProcessor)
    }
  }
}
