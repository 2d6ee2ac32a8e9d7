import ArgumentParser
import Runtime

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Time a model's runs, the whole or layer by layer.",
    discussion: """
      Runs the function again and again on random inputs, the same for the same seed. GFLOP/s count \
      two operations for each multiply-accumulate of the layers that have them.

      EXAMPLE
        model-convert bench net.apus --threads 2 --seconds 5 --profile
      """)

  @OptionGroup var options: ModelOptions
  @OptionGroup var shapes: ShapeOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var arithmetic: ArithmeticOptions

  @Option(parsing: .unconditional, help: "How long to time runs, after a warm-up.")
  var seconds = 2.0

  @Option(help: "Seed of the random inputs.")
  var seed: UInt64 = 1

  @Flag(help: "Time every layer too, in runs of their own.")
  var profile = false

  enum Order: String, ExpressibleByArgument, CaseIterable { case run, time }

  @Option(help: "The profile's order: as the layers run, or by time.")
  var order = Order.run

  @Flag(help: "Print one JSON object on stdout.")
  var json = false

  mutating func validate() throws {
    guard seconds > 0, seconds <= 86_400 else {
      throw ValidationError("--seconds: \(seconds); it must be more than 0 and at most 86400")
    }
  }

  func run() throws {
    let opened = try OpenedModel(path: options.model, isa: options.isa)
    let f = try opened.functionIndex(options.function)
    let plan = try opened.plan(
      f, shapes: shapes.shapes, threads: threads.threads,
      options: arithmetic.plan)
    let session = try opened.session(plan)
    var inputs = RandomInputs(seed: seed)
    inputs.fill(session, opened)

    let stopwatch = Stopwatch(session)
    try opened.run(session)
    let timing = try stopwatch.time(seconds: seconds)
    var result = BenchResult(opened, plan, timing)
    if profile { result.layers = try stopwatch.profile(opened, seconds: seconds) }
    if order == .time { result.layers?.sort { $0.medianMs > $1.medianMs } }
    if json {
      try printJSON(result)
    } else {
      result.print()
    }
  }
}
