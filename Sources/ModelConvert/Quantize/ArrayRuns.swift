import ModelFormat
import NumPyFile
import Quantization
import Runtime

/// Runs over the arrays of NumPy files: along the first dimension there is a sample after the other.
///
/// An array has the input's own rank, then its first dimension counts samples where the model leaves
/// it free and else batches; or one dimension more, which counts runs.
final class ArrayRuns: CalibrationSource {
  let shapes: [(name: String, dimensions: [Int])]
  let carriesStates: Bool
  private let files: InputFiles
  /// Runs that each array has; 1 where all runs get the same.
  private let counts: [Int]
  private let choice: RunChoice

  init(
    _ arguments: [InputArgument], _ opened: OpenedModel, function f: Int, limit: Int, option: String
  ) throws {
    files = try InputFiles(arguments, opened, function: f, option: option)
    var shapes: [(name: String, dimensions: [Int])] = []
    var counts: [Int] = []
    for (input, t) in zip(files.inputs, opened.inputTensors(f)) {
      let (count, shape) = try ArrayRuns.slices(input, opened, tensor: t)
      shapes.append((input.name, shape))
      counts.append(count)
    }
    let total = counts.max() ?? 0
    for (input, count) in zip(files.inputs, counts) where count != total && count != 1 {
      throw Failure(
        "\(input.source): input '\(printable(input.name))' has \(count) samples; another input has "
          + "\(total)")
    }
    self.shapes = shapes
    self.counts = counts
    carriesStates = opened.hasStates(f)
    choice = RunChoice(total: total, atMost: limit, isSpread: !carriesStates)
  }

  /// How many runs an array holds, and the shape of the input in each.
  private static func slices(
    _ input: InputFiles.Input, _ opened: OpenedModel, tensor t: Int
  ) throws -> (count: Int, shape: [Int]) {
    let declared = opened.file.declaredShape(opened.file.tensor(t)).dimensions
    let shape = input.array.shape
    func fits(_ sizes: ArraySlice<Int>, _ declared: ArraySlice<Int>) -> Bool {
      sizes.count == declared.count && zip(sizes, declared).allSatisfy { $1 < 0 ? $0 > 0 : $0 == $1 }
    }
    if shape.count == declared.count + 1, fits(shape[1...], declared[...]) {
      return (shape[0], Array(shape[1...]))
    }
    if shape.count == declared.count, !shape.isEmpty, fits(shape[1...], declared[1...]) {
      if declared[0] < 0 { return (shape[0], [1] + shape[1...]) }
      if declared[0] > 0, shape[0] % declared[0] == 0 {
        return (shape[0] / declared[0], [declared[0]] + shape[1...])
      }
    }
    if shape.isEmpty, declared.isEmpty { return (1, []) }
    let wanted = opened.declaredShape(tensor: t) ?? []
    throw Failure(
      "\(input.source): input '\(printable(input.name))' is \(shapeText(shape)); the model wants "
        + "[\(wanted.joined(separator: ", "))], with samples along the first dimension or along one "
        + "more in front of it")
  }

  var count: Int { choice.count }

  /// Samples of a run: the batch that the first input has, where its array has no dimension more.
  private var batch: Int {
    let hasOwnDimension = files.inputs[0].array.shape.count > shapes[0].dimensions.count
    return hasOwnDimension ? 1 : shapes[0].dimensions.first ?? 1
  }

  /// Samples of all runs.
  var samples: Int { choice.count * batch }

  func samples(run: Int) -> Range<Int> {
    choice[run] * batch..<(choice[run] + 1) * batch
  }

  func name(run: Int) -> String { "sample \(choice[run])" }

  func fill(input: Int, run: Int, to data: UnsafeMutableRawPointer) {
    files.inputs[input].array.bytes.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      let size = bytes.count / counts[input]
      let index = counts[input] == 1 ? 0 : choice[run]
      data.copyMemory(from: start + index * size, byteCount: size)
    }
  }
}

extension OpenedModel {
  func hasStates(_ f: Int) -> Bool {
    (0..<file.count(.states)).contains { Int(file.state($0).function) == f }
  }
}
