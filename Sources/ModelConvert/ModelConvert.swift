import ArgumentParser
import Foundation

/// The command line tool. Each subcommand has a file in Commands/.
///
/// Exit codes: 0 fine, 1 the work failed, 2 bad usage. Errors are one line on stderr.
@main
struct ModelConvert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model-convert",
    abstract: "Train, look into, run, compare and time .apus models.",
    discussion: """
      Results go to stdout, errors to stderr. Exit codes: 0 fine, 1 the work failed, 2 bad usage.

      EXAMPLE
        model-convert run net.apus --input image=digit.npy
      """,
    version: "0.1.0",
    subcommands: [
      Import.self, Export.self, Train.self, SamplesCommand.self, ZooCommand.self, Quantize.self,
      Compile.self, Inspect.self, Run.self, Generate.self, Detect.self, Transcribe.self, Verify.self,
      Bench.self, OperatorsCommand.self,
    ])

  static func main() {
    setvbuf(stdout, nil, _IOFBF, 1 << 16)
    if CommandLine.arguments.count < 2 {
      writeError(helpMessage())
      endProcess(2)
    }
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      finish(error)
    }
  }

  /// Says what went wrong in one line and ends the process with the code for it.
  private static func finish(_ error: Error) -> Never {
    if let failure = error as? Failure {
      writeError("model-convert: \(failure.message)")
      endProcess(1)
    }
    let code = exitCode(for: error)
    if code == .success {  // help or version was asked for
      print(fullMessage(for: error))
      endProcess(0)
    }
    if code == .validationFailure {
      let line = message(for: error).split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        .joined(separator: " ")
      writeError("model-convert: \(line) (\(helpHint()))")
      endProcess(2)
    }
    if let code = error as? ExitCode { endProcess(code.rawValue) }
    writeError("model-convert: \(message(for: error))")
    endProcess(1)
  }

  /// Which help explains the usage that was meant.
  private static func helpHint() -> String {
    let named = CommandLine.arguments.dropFirst().first { argument in
      configuration.subcommands.contains { $0._commandName == argument }
    }
    return "see 'model-convert \(named.map { $0 + " " } ?? "")--help'"
  }
}
