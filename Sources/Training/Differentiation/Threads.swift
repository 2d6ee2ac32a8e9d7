import COpenBLAS
import Dispatch

/// The threads of training. Work is cut into as many parts as there are threads, always in the same
/// way, so that a run is repeatable for a given number.
public enum TrainingThreads {
  public private(set) static var count = 1

  public static func set(_ n: Int) {
    count = max(1, n)
    openblas_set_num_threads(Int32(count))
  }

  /// Cuts 0..<total into one range for each thread and runs `body` on them side by side; inside,
  /// OpenBLAS runs on one thread.
  public static func parallel(_ total: Int, _ body: (Range<Int>, Int) -> Void) {
    let parts = min(count, total)
    if parts <= 1 {
      if total > 0 { body(0..<total, 0) }
      return
    }
    openblas_set_num_threads(1)
    DispatchQueue.concurrentPerform(iterations: parts) { part in
      body(total * part / parts..<total * (part + 1) / parts, part)
    }
    openblas_set_num_threads(Int32(count))
  }
}
