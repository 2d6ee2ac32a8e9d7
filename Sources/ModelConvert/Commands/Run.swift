import ArgumentParser
import Foundation
import Runtime

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a model on arrays from NumPy files.",
    discussion: """
      Reads .npy and .npz files, whose types and shapes must be those of the inputs; free \
      dimensions take the arrays' sizes. Writes NAME.npy for each output, with characters that a \
      file name should not have replaced by '_', and prints what is in it. For a classifier, whose \
      metadata hold labels, the best five classes are printed.

      With --steps the model runs N times and its states are carried on: an array with one more \
      dimension, of N, in front gives each step its own slice, other arrays are the same for all \
      steps, and the outputs get such a dimension too.

      EXAMPLES
        model-convert run net.apus --input image=digit.npy --output-dir results
        model-convert run char_rnn.apus --input codes.npy --steps 100
      """)

  @OptionGroup var options: ModelOptions
  @OptionGroup var inputs: InputOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var arithmetic: ArithmeticOptions

  @Option(
    help: ArgumentHelp(
      "Where to write the outputs; made where it is not there.", valueName: "dir"),
    completion: .directory)
  var outputDir = "."

  @Option(help: ArgumentHelp("Run so many times, states carried on.", valueName: "n"))
  var steps: Int?

  @Flag(help: "Print one JSON object on stdout.")
  var json = false

  mutating func validate() throws {
    if let steps, steps < 1 { throw ValidationError("--steps: \(steps); it must be at least 1") }
  }

  func run() throws {
    let opened = try OpenedModel(path: options.model, isa: options.isa)
    let f = try opened.functionIndex(options.function)
    let files = try InputFiles(inputs.inputs, opened, function: f)
    let stepped = SteppedInputs(files, opened, function: f, steps: steps)
    let plan = try opened.plan(
      f, shapes: stepped.shapes, threads: threads.threads,
      options: arithmetic.plan)
    let session = try opened.session(plan)

    var outputs = plan.outputTensors.map { t in
      RunOutput(opened.name(tensor: t), plan.tensors[t]!, steps: steps)
    }
    for step in 0..<(steps ?? 1) {
      stepped.fill(session, step: step)
      try opened.run(session)
      for i in outputs.indices {
        try outputs[i].append(session.data(output: i), session.info(output: i))
      }
    }

    let names = outputs.map(\.name)
    let paths = try OutputFiles.paths(names, in: outputDir, inputs: inputs.inputs.map(\.path))
    try OutputFiles.makeFolder(outputDir)
    for (output, path) in zip(outputs, paths) { try output.write(to: path) }
    let result = RunResult(opened, plan, outputs, paths, steps: steps)
    if json {
      try printJSON(result)
    } else {
      result.print()
    }
  }
}
