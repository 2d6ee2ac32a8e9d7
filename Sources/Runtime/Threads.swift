import Operators

/// Who does the shares of a step that several threads take part in.
///
/// A step is cut into as many shares as threads take part in it, the same cut on every run. Who does
/// which depends on timing, and nothing depends on who does it.
class Threads {
  /// Runs all shares of a step; returns when all of them are done.
  func run(_ step: Step, _ memory: Memory) {}

  /// Ends what was started. Nobody may use it afterwards.
  func stop() {}
}

/// What a session is told about its threads.
public struct ThreadSettings {
  /// How long a thread of the session spins for the next step before it parks.
  public var spinMicroseconds: Int
  /// The caller's own threads, in place of the session's.
  public var parallelFor: ParallelFor?
  public var parallelForContext: UnsafeMutableRawPointer?

  /// Long enough for the single-threaded steps of a run, and for the next of a row of runs.
  public static var defaultSpin: Int { 200 }

  public init(
    spinMicroseconds: Int = ThreadSettings.defaultSpin, parallelFor: ParallelFor? = nil,
    parallelForContext: UnsafeMutableRawPointer? = nil
  ) {
    self.spinMicroseconds = spinMicroseconds
    self.parallelFor = parallelFor
    self.parallelForContext = parallelForContext
  }
}
