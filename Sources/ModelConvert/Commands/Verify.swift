import ArgumentParser
import Foundation
import ModelFormat
import Operators
import Runtime

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare two models layer by layer on the same inputs.",
    discussion: """
      Runs both on the same inputs (given, or random and the same for the same seed) and compares \
      every tensor that both compute, matched by name or else by order. The model after --against \
      is the reference r; for a tensor x of the other:

        max abs   the largest |x - r|
        max rel   the largest |x - r| / max(|r|, root mean square of r)
        SQNR      10 log10(sum r^2 / sum (x - r)^2), in dB

      Fails (exit code 1) where max rel of a tensor is above the tolerance. With --against-isa the \
      reference is the same model on other kernels. --precision and --no-winograd are the model's \
      own: the reference is as a session without options, and the same model where none is named.

      With --steps both run N times and carry their states on, on new inputs each time: arrays are \
      read as 'run' reads them, and each row of the table covers all steps.

      A quantised tensor is compared as the numbers that it stands for, and a float reference gets \
      what integer inputs stand for. Beside a reference in \
      floats the table has the share of elements that are clipped, the share of the 256 values that are \
      used, scale and zero point; the worst layers come first, with the likely cause. Without \
      --tolerance such a model fails where an SQNR is below --least-sqnr.

      EXAMPLES
        model-convert verify net.int8.apus --against net.apus --input digits.npz --html page.html
        model-convert verify net.apus --against-isa baseline
        model-convert verify char_rnn.apus --against-isa baseline --steps 100
      """)

  @OptionGroup var options: ModelOptions
  @OptionGroup var inputs: InputOptions
  @OptionGroup var shapes: ShapeOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var arithmetic: ArithmeticOptions

  @Option(
    help: ArgumentHelp("The reference model.", valueName: "other.apus"),
    completion: .file(extensions: ["apus"]))
  var against: String?

  @Option(help: ArgumentHelp("The reference's instruction set.", valueName: "isa"))
  var againstIsa: String?

  @Option(
    parsing: .unconditional,
    help: "The largest 'max rel' that is no failure (1e-05; of quantised models any).")
  var tolerance: Double?

  @Option(
    parsing: .unconditional,
    help: "The least SQNR in dB, below which a quantised layer is bad.")
  var leastSqnr = 20.0

  @Option(help: "A quantised model's table: as the layers run, or by SQNR.")
  var order = VerifyResult.Order.sqnr

  @Option(help: "Seed of the random inputs.")
  var seed: UInt64 = 1

  @Option(help: ArgumentHelp("Run so many times, states carried on.", valueName: "n"))
  var steps: Int?

  @Flag(help: "Print one JSON object on stdout.")
  var json = false

  @Option(
    help: ArgumentHelp(
      "Write a page with the layers coloured by SQNR; it needs nothing else.",
      valueName: "page.html"),
    completion: .file(extensions: ["html"]))
  var html: String?

  mutating func validate() throws {
    let isPlain = arithmetic.plan.precision == .float32 && arithmetic.plan.usesWinograd
    guard against != nil || againstIsa != nil || !isPlain else {
      throw ValidationError("--against OTHER.apus or --against-isa ISA is needed")
    }
    if let tolerance, !(tolerance >= 0) {
      throw ValidationError("--tolerance: \(tolerance); it must not be negative")
    }
    guard leastSqnr.isFinite else {
      throw ValidationError("--least-sqnr: \(leastSqnr); it must be a number")
    }
    if let steps, steps < 1 { throw ValidationError("--steps: \(steps); it must be at least 1") }
    guard inputs.inputs.isEmpty || shapes.shapes.isEmpty else {
      throw ValidationError("--input-shape: the arrays of --input have their own shapes")
    }
  }

  func run() throws {
    let tested = try prepare(
      OpenedModel(path: options.model, isa: options.isa), arithmetic.plan)
    let plain = try OpenedModel(
      path: against ?? options.model, isa: againstIsa ?? options.isa)
    let equalized = EqualizedReference.make(plain, for: tested.opened)
    let reference = try prepare(equalized ?? plain, PlanOptions(), isReference: true)
    try checkInputs(tested, reference)
    var random = RandomInputs(seed: seed)
    func capture() throws -> (Capture, Capture) {
      tested.copyInputs(to: reference)
      return (
        try Capture(tested.session, tested.opened),
        try Capture(reference.session, reference.opened)
      )
    }
    tested.fill(step: 0, &random)
    var (values, wanted) = try capture()
    for step in 1..<max(steps ?? 1, 1) {
      tested.fill(step: step, &random)
      let later = try capture()
      values.append(later.0)
      wanted.append(later.1)
    }
    var result = VerifyResult(
      tested.opened, reference.opened, Matching(values, wanted), tolerance: tolerance,
      leastSqnr: leastSqnr, isEqualized: equalized != nil, steps: steps)
    result.order = order
    if let html {
      do {
        try Data(VerifyPage(result: result).text.utf8).write(to: URL(fileURLWithPath: html))
      } catch {
        throw Failure("\(html): the page cannot be written there")
      }
    }
    if json {
      try printJSON(result)
    } else {
      result.print()
    }
    if let html { writeError("model-convert: wrote \(html)") }
    if let failure = result.failure { throw failure }
  }

  private func prepare(
    _ opened: OpenedModel, _ planOptions: PlanOptions, isReference: Bool = false
  ) throws -> Side {
    let f = try opened.functionIndex(options.function)
    // Every layer's result is compared: none is fused, which changes no bit.
    var planOptions = planOptions
    planOptions.joinsNodes = false
    let plan: Plan
    var files: SteppedInputs?
    if inputs.inputs.isEmpty {
      plan = try opened.plan(
        f, shapes: shapes.shapes, threads: threads.threads, options: planOptions)
    } else {
      let read = SteppedInputs(
        try InputFiles(inputs.inputs, opened, function: f, checksTypes: !isReference), opened,
        function: f, steps: steps)
      plan = try opened.plan(
        f, shapes: read.shapes, threads: threads.threads, options: planOptions)
      files = read
    }
    return Side(opened: opened, session: try opened.session(plan), files: files)
  }

  /// Both must take the same inputs.
  private func checkInputs(_ tested: Side, _ reference: Side) throws {
    guard tested.names == reference.names else {
      throw Failure(
        "\(reference.opened.path): its inputs are \(reference.names.joined(separator: ", ")); "
          + "those of \(tested.opened.path) are \(tested.names.joined(separator: ", "))")
    }
    for (i, name) in tested.names.enumerated() {
      let a = tested.session.info(input: i)
      let b = reference.session.info(input: i)
      let isConverted = tested.quantization(input: i) != nil && b.dataType == .float32
      guard a.shape == b.shape, a.dataType == b.dataType || isConverted else {
        throw Failure(
          "\(reference.opened.path): input '\(printable(name))' is \(b.dataType.name) "
            + "\(shapeText(b.shape.dimensions)); in \(tested.opened.path) it is \(a.dataType.name) "
            + "\(shapeText(a.shape.dimensions))")
      }
    }
  }

  /// One of the two models, ready to run.
  struct Side {
    let opened: OpenedModel
    let session: Session
    /// nil: random inputs.
    let files: SteppedInputs?

    var names: [String] { session.plan.inputTensors.map { opened.name(tensor: $0) } }

    func fill(step: Int, _ random: inout RandomInputs) {
      if let files {
        files.fill(session, step: step)
      } else {
        random.fill(session, opened)
      }
    }

    func copyInputs(to other: Side) {
      for i in session.plan.inputTensors.indices {
        let (from, to) = (session.data(input: i), other.session.data(input: i))
        let info = session.info(input: i)
        if let own = quantization(input: i), other.session.info(input: i).dataType == .float32 {
          own.write(UnsafeRawPointer(from), info.shape.count, to: to)
        } else {
          to.copyMemory(from: from, byteCount: info.byteCount)
        }
      }
    }

    /// What an input's integers stand for.
    func quantization(input i: Int) -> InputQuantization? {
      InputQuantization(opened, tensor: session.plan.inputTensors[i])
    }
  }
}

extension VerifyResult.Order: ExpressibleByArgument {}
