import Foundation
import Quantization
import Training

/// Finds out what the data on the command line are, and reads them.
enum CalibrationData {
  static func open(
    _ arguments: [InputArgument], _ data: DataOptions, _ opened: OpenedModel, function f: Int,
    limit: Int
  ) throws -> any CalibrationSource {
    let first = arguments[0]
    if isArrays(first) {
      guard data.isEmpty else {
        throw Failure(
          "\(first.path): arrays are taken as they are; --label, --scale, --mean and --deviation are "
            + "for tables and images")
      }
      return try ArrayRuns(arguments, opened, function: f, limit: limit, option: "--calibrate")
    }
    guard arguments.count == 1 else {
      throw Failure("\(first.path): only arrays can be given input by input")
    }
    let (source, path) = try batches(arguments, data, opened, function: f, part: .training)
    return try BatchRuns(source, path: path, ModelInput(opened, function: f, for: path), limit: limit)
  }

  /// Which part of a recipe's data is taken.
  enum Part { case training, test }

  /// What `train` can read, in batches that the model takes.
  static func batches(
    _ arguments: [InputArgument], _ data: DataOptions, _ opened: OpenedModel, function f: Int,
    part: Part
  ) throws -> (source: any BatchSource, path: String) {
    let path = arguments[0].path
    guard arguments.count == 1 else {
      throw Failure("\(path): only arrays can be given input by input")
    }
    let input = try ModelInput(opened, function: f, for: path)
    do {
      guard path.hasSuffix(".yaml") || path.hasSuffix(".yml") else {
        return (try data.batches(path, input), path)
      }
      guard data.isEmpty else { throw Failure("\(path): the recipe says how its data are read") }
      let recipe = try Recipe(contentsOf: path)
      // Streams of a text are its second dimension.
      let batch = input.type == .int32 ? max(input.dimensions.last ?? 1, 1) : input.batch
      let loaded = try recipe.loadData(inspectingIn: batch)
      if part == .training { return (loaded.training, path) }
      guard let held = loaded.test ?? loaded.validation else {
        throw Failure("\(path): it holds out no data; give --test")
      }
      return (held, path)
    } catch let failure as Failure {
      throw failure
    } catch { throw Failure("\(error)") }
  }

  static func isArrays(_ argument: InputArgument) -> Bool {
    let path = argument.path.lowercased()
    return argument.name != nil || path.hasSuffix(".npy") || path.hasSuffix(".npz")
  }
}
