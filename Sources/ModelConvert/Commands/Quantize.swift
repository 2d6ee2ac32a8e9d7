import ArgumentParser
import Foundation
import Graph
import NumPyFile
import Quantization

struct Quantize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make an int8 model of a float32 model.",
    discussion: """
      Runs the model over calibration data, chooses a scale for every tensor, and writes a model that \
      computes in int8: weights with a scale for each output channel, activations in uint8 with a \
      zero point, sums in int32. Inputs and outputs keep their names, types and shapes. Layers that \
      have no integer form stay in float32, and the report says which and why.

      DATA is one of
        an .npz file   arrays named as the inputs, samples along the first dimension
        an .npy file   for a model with one input; NAME=FILE.npy for each of several
        a .csv file    a sample a line, as 'train' reads it
        a folder       of PNG and JPEG files, resized to the model's input
        a .yaml file   a recipe of 'train': the part of its data that is trained on, transformed as \
      it says, not augmented

      Data that can teach nothing (NaN, zeros alone, no samples) are refused; what may still be fine \
      is warned of on stderr. docs/quantization.md explains the scheme.

      EXAMPLES
        model-convert quantize net.apus --calibrate digits.npz -o net.int8.apus
        model-convert quantize net.apus --calibrate photos/ --scale 0.00392 -o net.int8.apus
        model-convert quantize lenet5.apus --calibrate recipes/lenet5.yaml -o lenet5.int8.apus
      """)

  @Argument(help: "The float32 model.", completion: .file(extensions: ["apus"]))
  var model: String

  @Option(
    name: .shortAndLong, help: "The int8 model to write.", completion: .file(extensions: ["apus"]))
  var output: String

  @Option(
    help: ArgumentHelp(
      "Inputs like those that the model will see.", valueName: "data"), completion: .file())
  var calibrate: [InputArgument] = []

  @OptionGroup var data: DataOptions

  @Option(
    help: ArgumentHelp("The most samples to run, evenly spread over the data.", valueName: "n"))
  var samples = 200

  @Option(help: "How ranges are chosen: minmax, percentile, entropy or mse.")
  var observer = ObserverName.minmax

  @Option(help: "Of --observer percentile: how many of a hundred values are kept.")
  var percentile = 99.99

  @Option(help: "One scale for each output channel of a weight, or one: per-channel or per-tensor.")
  var weights = WeightScales.perChannel

  @Option(help: "The integers of activations: uint8 or int8.")
  var activations = Activations.uint8

  @Flag(inversion: .prefixedNo, help: "Make the channels of neighbouring layers alike in range first.")
  var equalization = true

  @Flag(inversion: .prefixedNo, help: "Take out of biases what rounded weights add on average.")
  var biasCorrection = true

  @Option(
    help: ArgumentHelp("Leave a layer in floats, once for each.", valueName: "layer"))
  var keepFloat: [String] = []

  @Option(help: "The function to quantise; without it 'main', or the first.")
  var function: String?

  @OptionGroup var threads: ThreadOptions

  @Flag(help: "Print the report as one JSON object on stdout.")
  var json = false

  enum ObserverName: String, ExpressibleByArgument, CaseIterable {
    case minmax, percentile, entropy, mse
  }

  enum WeightScales: String, ExpressibleByArgument, CaseIterable {
    case perChannel = "per-channel"
    case perTensor = "per-tensor"
  }

  enum Activations: String, ExpressibleByArgument, CaseIterable { case uint8, int8 }

  mutating func validate() throws {
    guard !calibrate.isEmpty else {
      throw ValidationError("--calibrate DATA is needed: inputs like those that the model will see")
    }
    guard samples >= 1 else { throw ValidationError("--samples: \(samples); it must be at least 1") }
    guard percentile > 50, percentile <= 100 else {
      throw ValidationError("--percentile: \(percentile); from more than 50 up to 100 is possible")
    }
  }

  func run() throws {
    let opened = try OpenedModel(path: model, isa: nil)
    let f = try opened.functionIndex(function)
    let source = try CalibrationData.open(calibrate, data, opened, function: f, limit: samples)
    do {
      let graph = try Graph(decoding: opened.file)
      let progress = ProgressLine()
      defer { progress.clear() }
      let quantizer = try Quantizer(
        graph, function: f, source, options, floatBytes: opened.file.size
      ) { progress.show($0, $1, of: $2) }
      progress.clear()
      let kept = try keepFloat.map { name in
        guard let node = quantizer.node(named: name) else {
          throw Failure("\(model): --keep-float: it has no layer '\(printable(name))'")
        }
        return node
      }
      let (file, report) = try quantizer.quantize(keepingFloat: Set(kept))
      for warning in report.warnings {
        writeError("model-convert: warning: \(model): \(printable(warning))")
      }
      try writeBytes(file, toFile: output)
      let result = QuantizeResult(model: model, output: output, report: report)
      if json { try printJSON(result) } else { result.print() }
    } catch let failure as Failure {
      throw failure
    } catch let error as NumPyError {
      throw Failure("\(error)")
    } catch {
      throw Failure("\(model): \(printableLines("\(error)"))")
    }
  }

  private var options: QuantizationOptions {
    var options = QuantizationOptions()
    options.perChannelWeights = weights == .perChannel
    options.activations = activations == .int8 ? .int8 : .uint8
    switch observer {
    case .minmax: options.observer = .minMax
    case .percentile: options.observer = .percentile(percentile)
    case .entropy: options.observer = .entropy
    case .mse: options.observer = .meanSquares
    }
    options.equalizes = equalization
    options.correctsBias = biasCorrection
    options.threads = threads.threads
    return options
  }
}
