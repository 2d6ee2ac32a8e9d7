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
    let input = try ModelInput(opened, function: f, for: first.path)
    do {
      let path = first.path
      if path.hasSuffix(".yaml") || path.hasSuffix(".yml") {
        guard data.isEmpty else {
          throw Failure("\(path): the recipe says how its data are read")
        }
        let recipe = try Recipe(contentsOf: path)
        let batch = input.type == .int32 ? max(input.dimensions.last ?? 1, 1) : input.batch
        let training = try recipe.loadData(inspectingIn: batch).training
        return try BatchRuns(training, path: path, input, limit: limit)
      }
      return try BatchRuns(data.batches(path, input), path: path, input, limit: limit)
    } catch let failure as Failure {
      throw failure
    } catch { throw Failure("\(error)") }
  }

  private static func isArrays(_ argument: InputArgument) -> Bool {
    let path = argument.path.lowercased()
    return argument.name != nil || path.hasSuffix(".npy") || path.hasSuffix(".npz")
  }
}
