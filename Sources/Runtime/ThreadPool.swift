import CSystem
import ModelFormat
import Operators

/// The threads of one session, its caller among them.
///
/// The caller posts a step to each worker that takes part in it and does share 0 itself. Then it
/// does those shares too that no worker has claimed, so that a worker that sleeps, or has lost its
/// processor to other work, holds up nothing; who does a share makes no difference to its bits.
/// A worker without work spins for a while, since steps follow each other closely, and then parks.
///
/// A worker that loses its processor within a share does hold the caller up. Where that happens the
/// machine has other work: the caller then goes on alone for many times what it has lost.
final class ThreadPool: Threads {
  /// What the caller and one worker share. The worker spins on the first cache lines; what it writes
  /// for the caller lies in the last.
  private struct Worker {
    /// Shares posted so far.
    var posted: Int32 = 0
    /// Shares claimed so far, by the worker or by the caller.
    var claimed: Int32 = 0
    var isParked: Int32 = 0
    var isStopping: Int32 = 0
    /// Where the caller was when it last woke this worker.
    var callerProcessor: Int32 = -1
    let index: Int
    let spinMicroseconds: Int
    let common: UnsafeMutablePointer<Common>
    var mutex = pthread_mutex_t()
    var condition = pthread_cond_t()
    var padding: InlineArray<8, Int64> = .init(repeating: 0)
    /// The last share that is done, by its number.
    var done: Int32 = 0
    var endPadding: InlineArray<15, Int32> = .init(repeating: 0)
  }

  /// The step at hand: written before it is posted, read by those to whom it is.
  private struct Common {
    var step: Unmanaged<Step>?
    var memory: UnsafeMutablePointer<UnsafeMutableRawPointer>?
  }

  private let workers: UnsafeMutablePointer<Worker>
  private let common: UnsafeMutablePointer<Common>
  private var handles: [pthread_t] = []

  /// Microseconds of spinning before a worker offers its processor to others.
  private static var yieldAfter: Int64 { 20 }
  /// Microseconds of waiting that are not worth a remedy.
  private static var leastLoss: Int64 { 100 }
  /// How much longer than the last loss the caller works alone: it loses a fifteenth at most.
  private static var aloneForLoss: Int64 { 15 }

  /// Until this moment the caller does every share itself; 0: share.
  private var aloneUntil: Int64 = 0

  /// Pauses of the caller before it offers its processor to others, which matters only where there
  /// are fewer processors than threads.
  private static var pausesBeforeYield: Int { 2_000 }

  /// Starts `count` − 1 workers; the caller is the remaining thread.
  init(threads count: Int, spinMicroseconds: Int) throws(ApusError) {
    common = UnsafeMutablePointer<Common>.allocate(capacity: 1)
    common.initialize(to: Common())
    workers = UnsafeMutablePointer<Worker>.allocate(capacity: max(count - 1, 1))
    // All that the workers' creation allocates here comes before the first of them runs.
    handles.reserveCapacity(count)
    super.init()
    for k in 0..<count - 1 {
      let worker = workers + k
      worker.initialize(
        to: Worker(index: k + 1, spinMicroseconds: spinMicroseconds, common: common))
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
      post(workers + k)
    }
    for k in handles.indices {
      _ = apus_sys_thread_join(handles[k])
      ThreadPool.destroy(workers + k)
    }
    workers.deallocate()
    common.deallocate()
  }

  private static func destroy(_ worker: UnsafeMutablePointer<Worker>) {
    pthread_cond_destroy(&worker.pointee.condition)
    pthread_mutex_destroy(&worker.pointee.mutex)
  }

  override func run(_ step: Step, _ memory: Memory) {
    let count = step.threads
    let start = apus_sys_microseconds()
    if start < aloneUntil {
      for index in 0..<count { step.run(memory, Share(index: index, count: count)) }
      return
    }
    common.pointee.step = Unmanaged.passUnretained(step)
    common.pointee.memory = memory.pointers
    for k in 0..<count - 1 { post(workers + k) }
    step.run(memory, Share(index: 0, count: count))
    var waits = false
    for k in 0..<count - 1 {
      let share = workers[k].posted
      if apus_sys_replace(&workers[k].claimed, share &- 1, share) {
        step.run(memory, Share(index: k + 1, count: count))
        apus_sys_store_relaxed(&workers[k].done, share)
      } else if apus_sys_load_acquire(&workers[k].done) != share {
        waits = true
      }
    }
    if waits { wait(forWorkers: count - 1, since: start) }
  }

  private func wait(forWorkers count: Int, since start: Int64) {
    let ready = apus_sys_microseconds()
    var pauses = 0
    for k in 0..<count {
      while apus_sys_load_acquire(&workers[k].done) != workers[k].posted {
        pauses += 1
        if pauses > ThreadPool.pausesBeforeYield { sched_yield() } else { apus_sys_pause() }
      }
    }
    let lost = apus_sys_microseconds() - ready
    // Shares are alike: one that takes many times as long as the caller's has been interrupted.
    if lost > max(3 * (ready - start), ThreadPool.leastLoss) {
      aloneUntil = ready + lost + ThreadPool.aloneForLoss * lost
    }
  }

  /// Of the two orders, "post, then look whether the worker is parked" here and "say parked, then
  /// look whether something is posted" there, one thread at least sees what the other wrote.
  private func post(_ worker: UnsafeMutablePointer<Worker>) {
    apus_sys_add_ordered(&worker.pointee.posted, 1)
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
    var seen: Int32 = 0
    while true {
      spin(worker, seen)
      if apus_sys_load_acquire(&worker.pointee.posted) == seen { park(worker, seen) }
      // In this order: what stop() posts is not taken for a share.
      seen = apus_sys_load_acquire(&worker.pointee.posted)
      if apus_sys_load_acquire(&worker.pointee.isStopping) != 0 { return }
      // Whoever claims the latest share holds up the caller until it is done: the step stays.
      guard apus_sys_replace(&worker.pointee.claimed, seen &- 1, seen) else { continue }
      if let step = worker.pointee.common.pointee.step,
        let memory = worker.pointee.common.pointee.memory
      {
        step._withUnsafeGuaranteedRef {
          $0.run(Memory(memory), Share(index: index, count: $0.threads))
        }
      }
      apus_sys_store_release(&worker.pointee.done, seen)
    }
  }

  private static func spin(_ worker: UnsafeMutablePointer<Worker>, _ seen: Int32) {
    let start = apus_sys_microseconds()
    var spent: Int64 = 0
    repeat {
      for _ in 0..<32 {
        if apus_sys_load_acquire(&worker.pointee.posted) != seen { return }
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
      // Anew after each wait: a signal may be late, meant for an earlier share, and whoever sends it
      // has cleared this.
      apus_sys_store_ordered(&worker.pointee.isParked, 1)
      if apus_sys_load_ordered(&worker.pointee.posted) != seen { break }
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
