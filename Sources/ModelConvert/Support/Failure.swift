import Foundation
import ModelFormat

/// Why the work failed, in one sentence that names the file: exit code 1.
struct Failure: Error {
  let message: String

  init(_ message: String) { self.message = message }
}

/// Runs `body`; its error becomes a `Failure` that starts with `subject`, a file's name.
func naming<T>(_ subject: String, _ body: () throws(ApusError) -> T) throws -> T {
  do throws(ApusError) {
    return try body()
  } catch {
    throw Failure("\(subject): \(String(error.message))")
  }
}

/// Writes a line to stderr, after what stdout has had so far.
func writeError(_ line: String) {
  fflush(stdout)
  FileHandle.standardError.write(Data((line + "\n").utf8))
}

/// Ends the process; a name of its own, because commands have a method called `exit`.
func endProcess(_ code: Int32) -> Never { exit(code) }
