import NumPyFile
import Quantization
import Training

/// Arrays with the class of each sample.
final class LabelledArrays: LabelledSource {
  private let runs: ArrayRuns
  private let labels: [Int32]

  init(_ runs: ArrayRuns, _ labels: NumPyArray, path: String) throws {
    self.runs = runs
    let rows = runs.samples
    guard labels.count == rows, !labels.type.isFloatingPoint, let numbers = labels.integers(),
      numbers.allSatisfy({ $0 >= 0 && $0 < 1 << 31 })
    else {
      throw Failure(
        "\(path): the labels are \(labels.type.rawValue) \(shapeText(labels.shape)); a class number "
          + "from 0 on is wanted for each of the \(rows) samples")
    }
    self.labels = numbers.map { Int32($0) }
  }

  var count: Int { runs.count }
  var shapes: [(name: String, dimensions: [Int])] { runs.shapes }
  var carriesStates: Bool { runs.carriesStates }
  func name(run: Int) -> String { runs.name(run: run) }
  func fill(input: Int, run: Int, to data: UnsafeMutableRawPointer) {
    runs.fill(input: input, run: run, to: data)
  }

  func classes(run: Int) -> [Int32] { Array(labels[runs.samples(run: run)]) }
}

extension BatchRuns: LabelledSource {
  func classes(run: Int) -> [Int32] {
    prepare(run)
    return batch.classes
  }
}

extension CalibrationData {
  /// The labelled data to measure accuracy on.
  ///
  /// - Parameters:
  ///   - arguments: What --test names; where it names nothing, what --calibrate does.
  ///   - labels: What --labels names.
  static func openLabelled(
    _ arguments: [InputArgument], labels: String?, _ data: DataOptions, _ opened: OpenedModel,
    function f: Int
  ) throws -> any LabelledSource {
    let all = Int.max
    if isArrays(arguments[0]) {
      let runs = try ArrayRuns(arguments, opened, function: f, limit: all, option: "--test")
      let (array, path) = try readLabels(labels, arguments, opened, function: f)
      return try LabelledArrays(runs, array, path: path)
    }
    guard labels == nil else {
      throw Failure("\(arguments[0].path): --labels goes with arrays; these data have their own")
    }
    let (source, path) = try batches(arguments, data, opened, function: f, part: .test)
    switch source.target {
    case .classes, .nextTokens: break
    case .values: throw Failure("\(path): its samples have no classes; accuracy cannot be measured")
    }
    return try BatchRuns(source, path: path, ModelInput(opened, function: f, for: path), limit: all)
  }

  /// The array of --labels; else one of the .npz file that is no input and is called like one.
  private static func readLabels(
    _ labels: String?, _ arguments: [InputArgument], _ opened: OpenedModel, function f: Int
  ) throws -> (NumPyArray, String) {
    do {
      if let labels {
        if !labels.lowercased().hasSuffix(".npz") {
          return (try NumPyArray(contentsOf: labels), labels)
        }
        let archive = try NumPyArchive(contentsOf: labels)
        guard archive.entries.count == 1 else {
          throw Failure("\(labels): it holds \(archive.entries.count) arrays; one is wanted")
        }
        return (archive.entries[0].array, labels)
      }
      let inputs = opened.inputTensors(f).map { opened.name(tensor: $0) }
      for argument in arguments where argument.path.lowercased().hasSuffix(".npz") {
        let archive = try NumPyArchive(contentsOf: argument.path)
        for name in InputFiles.labelNames where !inputs.contains(name) {
          if let array = archive[name] { return (array, argument.path) }
        }
      }
    } catch let error as NumPyError { throw Failure("\(error)") }
    throw Failure(
      "\(arguments[0].path): it has no labels; give --labels FILE.npy, or an .npz file with an array "
        + "'y' beside the inputs")
  }
}
