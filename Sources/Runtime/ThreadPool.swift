import CSystem
import ModelFormat
import Operators

/// The threads of one session. A step is cut into as many shares as threads take part in it, the
/// same cut on every run; nothing is stolen, so nothing depends on timing.
///
/// The caller posts a step by raising the generation, does share 0 itself and waits until every
/// worker has answered. Waiting spins for a moment, since steps follow each other closely, and then
/// parks (workers) or yields (the caller).
final class ThreadPool {
  /// What workers look at; in memory of its own so that its address is fixed.
  struct Shared {
    var generation: Int32 = 0
    var answers: Int32 = 0
    var started: Int32 = 0
    var stopping: Int32 = 0
    var mutex = pthread_mutex_t()
    var condition = pthread_cond_t()
    var step: Unmanaged<Step>?
    var stepThreads = 0
    var memory: UnsafeMutablePointer<UnsafeMutableRawPointer>?
  }

  private static var spinCount: Int { 2_000 }

  private let shared: UnsafeMutablePointer<Shared>
  private var handles: [pthread_t] = []

  /// Starts `count` − 1 workers; the caller is the remaining thread.
  init(threads count: Int) throws(ApusError) {
    shared = UnsafeMutablePointer<Shared>.allocate(capacity: 1)
    shared.initialize(to: Shared())
    pthread_mutex_init(&shared.pointee.mutex, nil)
    pthread_cond_init(&shared.pointee.condition, nil)
    // All that the workers' creation allocates here comes before the first of them runs.
    handles.reserveCapacity(count)
    for _ in 1..<max(count, 1) {
      var handle = pthread_t()
      let code = apus_sys_thread_create(
        &handle,
        { argument in
          ThreadPool.work(argument!.assumingMemoryBound(to: Shared.self))
          return nil
        }, shared)
      guard code == 0 else {
        stop()
        throw ApusError(
          .threadFailed, "thread \(handles.count + 1) could not be started (error \(code))")
      }
      handles.append(handle)
    }
  }

  /// Ends the workers and waits for them.
  func stop() {
    pthread_mutex_lock(&shared.pointee.mutex)
    apus_sys_store_release(&shared.pointee.stopping, 1)
    apus_sys_add_acq_rel(&shared.pointee.generation, 1)
    pthread_cond_broadcast(&shared.pointee.condition)
    pthread_mutex_unlock(&shared.pointee.mutex)
    for handle in handles { _ = apus_sys_thread_join(handle) }
    pthread_cond_destroy(&shared.pointee.condition)
    pthread_mutex_destroy(&shared.pointee.mutex)
    shared.deallocate()
  }

  /// Runs a step on `step.threads` threads; returns when all of them are done.
  func run(_ step: Step, _ memory: Memory) {
    let workers = Int32(truncatingIfNeeded: handles.count)
    shared.pointee.step = Unmanaged.passUnretained(step)
    shared.pointee.stepThreads = step.threads
    shared.pointee.memory = memory.pointers
    apus_sys_store_relaxed(&shared.pointee.answers, 0)
    // Under the mutex, so that no worker parks between its last look and this.
    pthread_mutex_lock(&shared.pointee.mutex)
    apus_sys_add_acq_rel(&shared.pointee.generation, 1)
    pthread_cond_broadcast(&shared.pointee.condition)
    pthread_mutex_unlock(&shared.pointee.mutex)
    step.run(memory, Share(index: 0, count: step.threads))
    var spins = 0
    while apus_sys_load_acquire(&shared.pointee.answers) != workers {
      spins += 1
      if spins > ThreadPool.spinCount { sched_yield() } else { apus_sys_pause() }
    }
  }

  private static func work(_ shared: UnsafeMutablePointer<Shared>) {
    _ = apus_sys_flush_denormals()
    let index = Int(apus_sys_add_acq_rel(&shared.pointee.started, 1))
    var seen: Int32 = 0
    while true {
      var spins = 0
      while apus_sys_load_acquire(&shared.pointee.generation) == seen, spins < spinCount {
        spins += 1
        apus_sys_pause()
      }
      if apus_sys_load_acquire(&shared.pointee.generation) == seen {
        pthread_mutex_lock(&shared.pointee.mutex)
        while apus_sys_load_acquire(&shared.pointee.generation) == seen {
          pthread_cond_wait(&shared.pointee.condition, &shared.pointee.mutex)
        }
        pthread_mutex_unlock(&shared.pointee.mutex)
      }
      // Every worker answers every generation, so it can have moved by one only.
      seen = apus_sys_load_acquire(&shared.pointee.generation)
      if apus_sys_load_acquire(&shared.pointee.stopping) != 0 { return }
      let threads = shared.pointee.stepThreads
      if index < threads, let step = shared.pointee.step, let memory = shared.pointee.memory {
        step._withUnsafeGuaranteedRef {
          $0.run(Memory(memory), Share(index: index, count: threads))
        }
      }
      apus_sys_add_acq_rel(&shared.pointee.answers, 1)
    }
  }
}
