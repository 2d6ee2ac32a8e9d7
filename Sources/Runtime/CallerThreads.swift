import CSystem
import Operators

/// One piece of the work that is given to the caller's threads: `apus_task` in apus.h.
public typealias ParallelTask = @convention(c) (UnsafeMutableRawPointer?, Int) -> Void

/// Runs `task(argument, i)` once for each i in 0 ..< count and returns when all have returned:
/// `apus_parallel_for` in apus.h.
public typealias ParallelFor = @convention(c) (
  _ context: UnsafeMutableRawPointer?, _ count: Int, _ task: ParallelTask?,
  _ argument: UnsafeMutableRawPointer?
) -> Void

/// Threads that the program has already.
final class CallerThreads: Threads {
  private let parallelFor: ParallelFor
  private let context: UnsafeMutableRawPointer?

  init(_ parallelFor: @escaping ParallelFor, _ context: UnsafeMutableRawPointer?) {
    self.parallelFor = parallelFor
    self.context = context
  }

  private struct Request {
    let step: Unmanaged<Step>
    let memory: Memory
  }

  override func run(_ step: Step, _ memory: Memory) {
    var request = Request(step: .passUnretained(step), memory: memory)
    withUnsafeMutablePointer(to: &request) {
      parallelFor(
        context, step.threads,
        { argument, index in
          let request = argument!.assumingMemoryBound(to: Request.self)
          let control = apus_sys_flush_denormals()
          request.pointee.step._withUnsafeGuaranteedRef {
            $0.run(request.pointee.memory, Share(index: index, count: $0.threads))
          }
          apus_sys_restore_float_control(control)
        }, $0)
    }
  }
}
