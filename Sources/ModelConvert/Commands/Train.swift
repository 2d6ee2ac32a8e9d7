import ArgumentParser
import Foundation
import Graph
import NumPyFile
import ONNX
import Training

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a network as a recipe says.",
    discussion: """
      The recipe names the network, the data, the loss and the optimiser; docs/training.md explains \
      every key. Progress goes to stderr, the result to stdout.

      After each epoch the run is saved in OUTPUT.ckpt, from which --resume continues it bit for \
      bit; the file is removed when training is done, unless --checkpoint names it.

      The same recipe, data, seed and number of threads give the same model.

      EXAMPLES
        model-convert train recipes/lenet5.yaml -o lenet5.apus --report lenet5.html
        model-convert train recipes/char-rnn.yaml --data novel.txt -o novel.apus
        model-convert train recipes/xor.yaml -o xor.apus --json | jq .training.loss
      """)

  @Argument(help: "The recipe.", completion: .file(extensions: ["yaml", "yml"]))
  var recipe: String

  @Option(name: .shortAndLong, help: "The model to write.", completion: .file(extensions: ["apus"]))
  var output: String

  @Option(
    help: ArgumentHelp(
      """
      Where to write the int8 model of a recipe that trains for int8; default: OUTPUT's name with \
      .int8 before .apus.
      """, valueName: "file"), completion: .file(extensions: ["apus"]))
  var int8: String?

  @Option(
    help: ArgumentHelp("Write the model as ONNX too.", valueName: "path"),
    completion: .file(extensions: ["onnx"]))
  var exportOnnx: String?

  @Option(
    help: ArgumentHelp("The data, in place of the recipe's.", valueName: "path"),
    completion: .file())
  var data: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Epochs, in place of the recipe's.", valueName: "n"))
  var epochs: Int?

  @Option(
    help: ArgumentHelp(
      "Seed of the initial weights, of shuffling and augmentation, in place of the recipe's.",
      valueName: "n"))
  var seed: UInt64?

  @Option(
    help: ArgumentHelp("Go on from this checkpoint.", valueName: "file"), completion: .file())
  var resume: String?

  @Option(
    help: ArgumentHelp("Where to keep the checkpoint.", valueName: "file"), completion: .file())
  var checkpoint: String?

  @Option(
    help: ArgumentHelp("Write a page with the curves and results.", valueName: "page.html"),
    completion: .file(extensions: ["html"]))
  var report: String?

  @Option(help: ArgumentHelp("Threads; default: one for each processor.", valueName: "n"))
  var threads: Int?

  @Flag(help: "Print one JSON object on stdout: the figures of the result and of every epoch.")
  var json = false

  mutating func validate() throws {
    if let epochs, epochs < 1 { throw ValidationError("--epochs: \(epochs); it must be at least 1") }
    if let threads, threads < 1 || threads > 256 {
      throw ValidationError("--threads: \(threads); it must be 1 to 256")
    }
  }

  func run() throws {
    do { try train() } catch let error as Failure { throw error } catch let error as ExitCode {
      throw error
    } catch { throw Failure("\(error)") }
  }

  private func train() throws {
    TrainingThreads.set(threads ?? ProcessInfo.processInfo.activeProcessorCount)
    var recipe = try Recipe(contentsOf: self.recipe)
    if let epochs { recipe.setEpochs(epochs) }
    if let seed { recipe.seed = seed }
    guard int8 == nil || recipe.quantization != nil else {
      throw Failure("--int8: \(self.recipe) has no section 'quantization'")
    }
    for path in [output, report, checkpoint, exportOnnx, int8].compactMap({ $0 }) {
      try checkWritable(path)
    }
    let job = try recipe.job(path: data)
    let trainer = try Trainer(
      job.graph, training: job.training, validation: job.validation, options: recipe.trainerOptions)
    if let resume {
      do { try trainer.resume(Checkpoint(contentsOf: resume)) } catch {
        throw Failure("\(error)".hasPrefix(resume) ? "\(error)" : "\(resume): \(error)")
      }
    }
    let unit = job.training.unit
    let display = ProgressDisplay(metrics: job.metrics, unit: unit)
    let saved = checkpoint ?? output + ".ckpt"
    trainer.onProgress = { display.show($0) }
    trainer.onEpoch = { [unowned trainer] result in
      display.show(result, epochs: recipe.epochs)
      try trainer.checkpoint().write(to: saved)
    }
    writeError(
      "\(recipe.name): \(trainer.network.parameters.count) weights, "
        + "\(job.training.sampleCount) \(unit), "
        + "\(TrainingThreads.count) threads")
    if let int8 = recipe.int8Epochs { writeError("for int8: \(int8)") }
    try trainer.run()
    trainer.finish()
    if let fit = job.fit {
      try fit(trainer.network)
      trainer.network.store()
    }
    let result = try TrainingResult(trainer, job)
    let written = try write(trainer, job, recipe)
    if let report { try write(report, trainer, result, job, recipe) }
    if checkpoint == nil { try? FileManager.default.removeItem(atPath: saved) }
    // Trained for int8, the network rounds, and the file of floats does not.
    let check =
      written.int8 == nil
      ? try ExportCheck(
        trainer, job.test ?? job.validation ?? job.training, exported: written.graph) : nil
    if json {
      try printJSON(TrainingSummary(recipe, trainer, result, job, check))
    } else {
      print(result.text(job.metrics))
      if let int8 = written.int8 { print(int8) }
      if let check { print(check.text) }
    }
    try check?.require(output)
  }

  /// Hours of training should not end with a folder that is not there.
  private func checkWritable(_ path: String) throws {
    var isDirectory: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory),
      isDirectory.boolValue
    {
      throw Failure("\(path): is a directory, not a file")
    }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    guard FileManager.default.isWritableFile(atPath: folder) else {
      throw Failure("\(path): its folder is not there or cannot be written to")
    }
  }

  /// - Returns: The model, and what is said of the int8 model, where there is one.
  private func write(
    _ trainer: Trainer, _ job: TrainingJob, _ recipe: Recipe
  ) throws -> (graph: Graph, int8: String?) {
    var said: String?
    let graph: Graph
    if recipe.quantization != nil, let quantized = job.quantized {
      let made = try quantized(trainer)
      graph = made.graph
      let path = int8 ?? int8Name(output)
      try writeBytes(made.int8.file, toFile: path)
      let report = made.int8.report
      said =
        "\(path): \(report.integerLayers.count) of \(report.layers.count) layers in integers, "
        + "\(bytesText(report.int8Bytes)) of \(bytesText(report.floatBytes))"
    } else {
      graph = try job.deployed(trainer.network.graph)
    }
    try writeBytes(graph.encode(), toFile: output)
    if let exportOnnx {
      do { try writeBytes(Exporter(graph).run(), toFile: exportOnnx) } catch let error as NumPyError {
        throw error
      } catch { throw Failure("\(exportOnnx): \(error)") }
    }
    return (graph, said)
  }

  /// net.apus: net.int8.apus.
  private func int8Name(_ path: String) -> String {
    (path.hasSuffix(".apus") ? String(path.dropLast(5)) : path) + ".int8.apus"
  }
}

extension Train {
  private func write(
    _ report: String, _ trainer: Trainer, _ result: TrainingResult, _ job: TrainingJob,
    _ recipe: Recipe
  ) throws {
    var page = TrainingReport(
      title: recipe.name, recipeFile: recipe.file, recipeText: recipe.text,
      history: trainer.history, bestEpoch: trainer.bestEpoch, metrics: job.metrics,
      result: (result.parts.first { $0.name == "test" } ?? result.parts.first).map {
        (part: $0.name, evaluation: $0.evaluation)
      },
      classNames: job.classNames, parameters: trainer.network.parameters.count,
      seed: recipe.seed, unit: job.training.unit,
      facts: (recipe.lossName.map { [("Loss", $0)] } ?? [])
        + [("Threads", "\(TrainingThreads.count)")]
        + (recipe.int8Epochs.map { [("For int8", $0)] } ?? []))
    page.figures = (job.test ?? job.validation)?.figures ?? []
    try writeBytes([UInt8](page.html().utf8), toFile: report)
  }
}

extension Recipe {
  /// nil: the model has one of its own.
  fileprivate var lossName: String? {
    if case .samples(let samples) = subject { samples.loss.rawValue } else { nil }
  }

  /// "epochs 31 to 40, with fixed ranges from 38 on"; nil where none is for int8.
  fileprivate var int8Epochs: String? {
    quantization.map {
      "epochs \(epochs - $0.epochs + 1) to \(epochs)"
        + ($0.frozenEpochs > 0 ? ", with fixed ranges from \(epochs - $0.frozenEpochs + 1) on" : "")
    }
  }
}
