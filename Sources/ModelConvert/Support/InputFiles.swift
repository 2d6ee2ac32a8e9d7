import ArgumentParser
import Foundation
import ModelFormat
import NumPyFile
import Runtime

/// `x=x.npy`, or the file alone: an .npz with arrays named as the inputs, or the only input's .npy.
struct InputArgument: ExpressibleByArgument {
  let name: String?
  let path: String

  init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    name = parts.count == 2 ? String(parts[0]) : nil
    path = String(parts[parts.count - 1])
    if path.isEmpty || name == "" { return nil }
  }
}

struct InputOptions: ParsableArguments {
  @Option(
    name: .customLong("input"),
    help: ArgumentHelp(
      """
      An input's array, once for each input. An .npz file without a name gives every input the \
      array of its name; a model with one input needs no name.
      """, valueName: "name=file.npy"),
    completion: .file(extensions: ["npy", "npz"]))
  var inputs: [InputArgument] = []
}

/// The arrays for a function's inputs, in the function's order.
struct InputFiles {
  struct Input {
    let name: String
    /// Where the array came from, for errors.
    let source: String
    let array: NumPyArray
  }

  let inputs: [Input]

  /// What arrays of classes are called.
  static let labelNames = ["y", "labels", "label", "classes"]

  /// Reads the files and checks that each input has one array of its type. Floats for an input of
  /// integers that stand for real numbers are rounded to these.
  ///
  /// - Parameters:
  ///   - option: What gives a file on the command line, for errors.
  ///   - checksTypes: Whether arrays must be of the inputs' types.
  init(
    _ arguments: [InputArgument], _ opened: OpenedModel, function f: Int,
    option: String = "--input", checksTypes: Bool = true
  ) throws {
    let tensors = opened.inputTensors(f)
    let names = tensors.map { opened.name(tensor: $0) }
    var found: [String: (array: NumPyArray, source: String)] = [:]
    func put(_ name: String, _ array: NumPyArray, _ source: String) throws {
      guard names.contains(name) else {
        throw Failure("\(opened.path): it has no input '\(printable(name))'; \(InputFiles.has(names))")
      }
      guard found[name] == nil else { throw Failure("\(source): input '\(name)' is given twice") }
      found[name] = (array, source)
    }
    for argument in arguments {
      for (name, array) in try InputFiles.read(argument, names, opened) {
        try put(name, array, argument.path)
      }
    }
    let missing = names.filter { found[$0] == nil }
    guard missing.isEmpty else {
      let each = missing.map { "\(option) \(InputFiles.quoted($0))=FILE.npy" }.joined(separator: " ")
      throw Failure("\(opened.path): no array for \(InputFiles.list(missing)); give \(each)")
    }
    inputs = zip(names, tensors).map { name, t in
      let array = found[name]!.array
      let rounded = InputQuantization(opened, tensor: t)?.rounded(array)
      return Input(name: name, source: found[name]!.source, array: rounded ?? array)
    }
    guard checksTypes else { return }
    for (input, t) in zip(inputs, tensors) {
      let wanted = DataType(rawValue: opened.file.tensor(t).dataType)!.name.description
      guard input.array.type.rawValue == wanted else {
        throw Failure(
          "\(input.source): input '\(printable(input.name))' must be \(wanted) and is "
            + "\(input.array.type.rawValue)")
      }
    }
  }

  private static func read(
    _ argument: InputArgument, _ names: [String], _ opened: OpenedModel
  ) throws -> [(String, NumPyArray)] {
    do {
      if !argument.path.lowercased().hasSuffix(".npz") {
        let array = try NumPyArray(contentsOf: argument.path)
        return [(try onlyName(argument, names, opened), array)]
      }
      let archive = try NumPyArchive(contentsOf: argument.path)
      if let name = argument.name {
        let others = archive.entries.filter { !InputFiles.labelNames.contains($0.name) }
        guard let array = archive[name] ?? (others.count == 1 ? others[0].array : nil)
        else { throw Failure("\(argument.path): it has no array '\(name)'") }
        return [(name, array)]
      }
      let known = archive.entries.filter { names.contains($0.name) }
      // The only array but for labels is the only input's.
      let inputs = archive.entries.filter { !InputFiles.labelNames.contains($0.name) }
      if known.isEmpty, inputs.count == 1, names.count == 1 { return [(names[0], inputs[0].array)] }
      guard !archive.entries.isEmpty else {
        throw Failure("\(argument.path): there is no array in it; \(has(names))")
      }
      guard !known.isEmpty else {
        throw Failure(
          "\(argument.path): none of its arrays is named as an input of the model: "
            + "\(archive.names.map(printable).joined(separator: ", ")); \(has(names))")
      }
      return known.map { ($0.name, $0.array) }
    } catch let error as NumPyError {
      throw Failure(error.description)
    }
  }

  private static func onlyName(
    _ argument: InputArgument, _ names: [String], _ opened: OpenedModel
  ) throws -> String {
    if let name = argument.name { return name }
    guard names.count == 1 else {
      throw Failure(
        "\(argument.path): which input is it? Write NAME=\(argument.path); \(has(names))")
    }
    return names[0]
  }

  private static func list(_ names: [String]) -> String {
    switch names.count {
    case 1: "input '\(printable(names[0]))'"
    default: "inputs " + names.map { "'\(printable($0))'" }.joined(separator: ", ")
    }
  }

  private static func has(_ names: [String]) -> String {
    names.isEmpty ? "the function has no inputs" : "it has \(list(names))"
  }

  private static func quoted(_ name: String) -> String {
    name.allSatisfy { $0.isLetter || $0.isNumber || "._-/:".contains($0) } ? name : "'\(name)'"
  }

  // MARK: Shapes

  /// For the plan: the shape of each input.
  var shapes: [(name: String, dimensions: [Int])] {
    inputs.map { ($0.name, $0.array.shape) }
  }
}
