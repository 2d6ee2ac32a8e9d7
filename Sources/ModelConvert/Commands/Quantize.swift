import ArgumentParser
import Foundation
import Graph
import NumPyFile
import Quantization

struct Quantize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make an int8 model of a float32 model.",
    discussion: """
      Runs the model over calibration data, chooses a scale for every tensor, and writes a model \
      that computes in int8: weights with a scale for each output channel, activations in uint8 \
      with a zero point, sums in int32. Inputs and outputs keep their names, types and shapes, but \
      where --inputs or --outputs make integers of them. Layers that have no integer form stay in \
      float32, and the report says which and why.

      DATA is one of
        an .npz file   arrays named as the inputs, samples along the first dimension
        an .npy file   for a model with one input; NAME=FILE.npy for each of several
        a .csv file    a sample a line, as 'train' reads it
        a folder       of PNG and JPEG files, resized to the model's input
        a .yaml file   a recipe of 'train': the part of its data that is trained on, transformed \
      as it says, not augmented

      With --dynamic no data are needed: recurrent layers (RNN, LSTM, GRU) get int8 weights and \
      round what they multiply as it comes, each row on its own; all else stays as it is.

      Data that can teach nothing (NaN, zeros alone, no samples) are refused; what may still be \
      fine is warned of on stderr. docs/quantization.md explains the scheme.

      EXAMPLES
        model-convert quantize net.apus --calibrate digits.npz -o net.int8.apus
        model-convert quantize net.apus --calibrate photos/ --scale 0.00392 -o net.int8.apus
        model-convert quantize net.apus --calibrate photos/ --scale 0.00392 --inputs uint8 \
      -o net.int8.apus
        model-convert quantize speech.apus --weights-only -o speech.small.apus
        model-convert quantize char-rnn.apus --dynamic -o char-rnn.int8.apus
        model-convert quantize lenet5.apus --calibrate recipes/lenet5.yaml -o lenet5.int8.apus \
      --max-drop 0.5%
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

  @Option(
    help: ArgumentHelp(
      """
      Labelled data to measure accuracy on; without it the test part of a recipe, or the data of \
      --calibrate.
      """, valueName: "data"), completion: .file())
  var test: [InputArgument] = []

  @Option(
    help: ArgumentHelp(
      "The classes of arrays' samples; without it the array 'y' of an .npz file.",
      valueName: "file.npy"), completion: .file(extensions: ["npy", "npz"]))
  var labels: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      The most accuracy to lose, as 0.5%: the layers that matter most stay in floats until it \
      holds; exit code 1 where it cannot.
      """, valueName: "points"),
    transform: Percentage.init)
  var maxDrop: Percentage?

  @OptionGroup var data: DataOptions

  @Option(
    help: ArgumentHelp("The most samples to run, evenly spread over the data.", valueName: "n"))
  var samples = 200

  @Option(help: "How ranges are chosen: minmax, percentile, entropy or mse.")
  var observer = ObserverName.mse

  @Option(help: "Of --observer percentile: how many of a hundred values are kept.")
  var percentile = 99.99

  @Option(
    help: """
      One scale for each output channel of a weight, or one: per-channel or per-tensor; float16 \
      with --weights-only, in place of int8.
      """)
  var weights = WeightScales.perChannel

  @Option(help: "The integers of activations: uint8 or int8.")
  var activations = Activations.uint8

  @Option(
    help: ArgumentHelp(
      """
      What float inputs become: uint8 or int8. Callers then give q = round(x / scale) + zero \
      point; 'inspect' and the library tell both.
      """, valueName: "type"))
  var inputs: Activations?

  @Option(
    help: ArgumentHelp("What float outputs become, likewise: uint8 or int8.", valueName: "type"))
  var outputs: Activations?

  @Option(
    help: """
      How weights are rounded: each to the nearest, or adaptive, such that the layer's outputs \
      over the calibration data are nearest.
      """)
  var rounding = Rounding.nearest

  @Flag(
    help: """
      Store weights as int8 (or float16, see --weights) and compute in float32, as the float model \
      does: a smaller file, and no calibration.
      """)
  var weightsOnly = false

  @Flag(help: "Recurrent layers alone, without calibration.")
  var dynamic = false

  @Flag(
    inversion: .prefixedNo, help: "Make the channels of neighbouring layers alike in range first.")
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

  enum Rounding: String, ExpressibleByArgument, CaseIterable { case nearest, adaptive }

  enum WeightScales: String, ExpressibleByArgument, CaseIterable {
    case perChannel = "per-channel"
    case perTensor = "per-tensor"
    case float16
  }

  enum Activations: String, ExpressibleByArgument, CaseIterable {
    case uint8, int8

    var type: ActivationType { self == .int8 ? .int8 : .uint8 }
  }

  /// In `run`: a misspelt option is then what is said first.
  private func checkOptions() throws {
    if dynamic {
      guard calibrate.isEmpty, test.isEmpty, maxDrop == nil, keepFloat.isEmpty, !weightsOnly else {
        throw ValidationError(
          "--dynamic: it takes no data; --calibrate, --test, --max-drop, --keep-float and "
            + "--weights-only are not for it")
      }
      try refuseEnds("--dynamic")
      guard weights != .float16 else { throw noHalves }
      return
    }
    if weightsOnly {
      guard calibrate.isEmpty, maxDrop == nil, keepFloat.isEmpty else {
        throw ValidationError(
          "--weights-only: it takes no calibration; --calibrate, --max-drop and --keep-float are "
            + "not for it")
      }
      guard labels == nil || !test.isEmpty else {
        throw ValidationError("--labels: --test must give the samples that they are of")
      }
      try refuseEnds("--weights-only")
      guard weights != .perTensor else {
        throw ValidationError(
          "--weights per-tensor: with --weights-only weights are stored per-channel or as float16")
      }
      return
    }
    guard !calibrate.isEmpty else {
      throw ValidationError("--calibrate DATA is needed: inputs like those that the model will see")
    }
    guard samples >= 1 else {
      throw ValidationError("--samples: \(samples); it must be at least 1")
    }
    guard percentile > 50, percentile <= 100 else {
      throw ValidationError("--percentile: \(percentile); from more than 50 up to 100 is possible")
    }
    guard weights != .float16 else { throw noHalves }
  }

  private func refuseEnds(_ flag: String) throws {
    guard inputs == nil, outputs == nil else {
      throw ValidationError(
        "\(flag): inputs and outputs stay in floats; --inputs and --outputs are not for it")
    }
  }

  private var noHalves: ValidationError {
    ValidationError(
      "--weights float16: it goes with --weights-only; layers in integers have int8 weights")
  }

  func run() throws {
    try checkOptions()
    let opened = try OpenedModel(path: model, isa: nil)
    if dynamic { return try quantizeDynamically(opened) }
    let f = try opened.functionIndex(function)
    if weightsOnly { return try storeWeights(opened, f) }
    let source = try CalibrationData.open(calibrate, data, opened, function: f, limit: samples)
    guard source.count > 0 else {
      throw Failure("\(calibrate[0].path): there are no calibration samples in it")
    }
    let labelled =
      test.isEmpty && labels == nil && maxDrop == nil
      ? nil
      : try CalibrationData.openLabelled(
        test.isEmpty ? calibrate : test, labels: labels, data, opened, function: f)
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
      var accuracy: AccuracyReport?
      let file: [UInt8]
      let report: QuantizationReport
      if let labelled {
        let measured = try quantizer.quantize(
          keepingFloat: Set(kept), measuredOn: labelled, maximumDrop: maxDrop?.share)
        (file, report, accuracy) = (measured.file, measured.report, measured.accuracy)
      } else {
        (file, report) = try quantizer.quantize(keepingFloat: Set(kept))
      }
      progress.clear()
      for warning in report.warnings {
        writeError("model-convert: warning: \(model): \(printable(warning))")
      }
      let result = QuantizeResult(
        model: model, output: output, report: report, accuracy: accuracy)
      let isReached = accuracy?.isReached ?? true
      if isReached { try writeBytes(file, toFile: output) }
      if json { try printJSON(result) } else { result.print() }
      if !isReached, let accuracy, let maxDrop {
        throw Failure(
          "\(model): the accuracy falls by more than \(maxDrop.text) from "
            + "\(decimals(100 * accuracy.floatAccuracy, 2)) %, whichever layers stay in floats; "
            + "nothing is written")
      }
    } catch let failure as Failure {
      throw failure
    } catch let error as NumPyError {
      throw Failure("\(error)")
    } catch {
      throw Failure("\(model): \(printableLines("\(error)"))")
    }
  }

  private func storeWeights(_ opened: OpenedModel, _ f: Int) throws {
    do {
      let small = try WeightOnlyQuantizer(
        Graph(decoding: opened.file), function: f, floatBytes: opened.file.size,
        storage: weights == .float16 ? .float16 : .int8)
      var result = QuantizeResult(model: model, output: output, report: small.report)
      if !test.isEmpty {
        let labelled = try CalibrationData.openLabelled(
          test, labels: labels, data, opened, function: f)
        result.accuracy = try small.accuracy(on: labelled, threads: threads.threads)
      }
      for warning in small.report.warnings {
        writeError("model-convert: warning: \(model): \(printable(warning))")
      }
      try writeBytes(small.file, toFile: output)
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
    options.activations = activations.type
    options.inputs = inputs?.type
    options.outputs = outputs?.type
    switch observer {
    case .minmax: options.observer = .minMax
    case .percentile: options.observer = .percentile(percentile)
    case .entropy: options.observer = .entropy
    case .mse: options.observer = .meanSquares
    }
    options.equalizes = equalization
    options.correctsBias = biasCorrection
    options.roundsAdaptively = rounding == .adaptive
    options.threads = threads.threads
    return options
  }
}

/// `0.5%`, or `0.005`.
struct Percentage {
  let share: Double
  let text: String

  /// Larger shares need their sign: who writes 0.5 means half a point, not fifty.
  private static let largestPlain = 0.1

  init(_ argument: String) throws {
    let hasSign = argument.hasSuffix("%")
    let number = (hasSign ? String(argument.dropLast()) : argument)
      .trimmingCharacters(in: .whitespaces)
    guard let value = Double(number), value >= 0, value < (hasSign ? 100 : 1) else {
      throw ValidationError("it must be from 0% to less than 100%, as 0.5%")
    }
    guard hasSign || value <= Percentage.largestPlain else {
      throw ValidationError(
        "half a point is 0.5% or 0.005; \(number) would be \(threeDigits(100 * value))%")
    }
    share = hasSign ? value / 100 : value
    text = "\(threeDigits(100 * share)) points"
  }
}
