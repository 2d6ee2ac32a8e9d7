import ArgumentParser
import Foundation
import Quantization
import Training

/// How tables and folders of images become inputs.
struct DataOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Of a CSV file: the column of the classes, by name or number; it is no input.",
      valueName: "column"))
  var label: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Of a CSV file or a folder of images: what each number is multiplied by, as 0.00392.",
      valueName: "factor"))
  var scale: Float?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("What is taken from each channel, after --scale.", valueName: "m,m,m"))
  var mean: NumberList?

  @Option(
    help: ArgumentHelp("What each channel is divided by, after --mean.", valueName: "d,d,d"))
  var deviation: NumberList?

  mutating func validate() throws {
    if let scale, scale == 0 || !scale.isFinite {
      throw ValidationError("--scale: \(scale); it must be a number other than 0")
    }
    if let deviation, !deviation.numbers.allSatisfy({ $0 > 0 }) {
      throw ValidationError("--deviation: every number must be greater than 0")
    }
    if let mean, let deviation, mean.numbers.count != deviation.numbers.count {
      throw ValidationError(
        "--deviation: \(deviation.numbers.count) numbers, and --mean has \(mean.numbers.count)")
    }
  }

  var isEmpty: Bool { label == nil && scale == nil && mean == nil && deviation == nil }

  private var transforms: [any Transform] {
    var result: [any Transform] = []
    if let scale { result.append(Normalize.scale(factor: scale)) }
    let count = mean?.numbers.count ?? deviation?.numbers.count ?? 0
    if count > 0 {
      result.append(
        Normalize(
          mean: mean?.numbers ?? [Float](repeating: 0, count: count),
          deviation: deviation?.numbers ?? [Float](repeating: 1, count: count)))
    }
    return result
  }

  /// The samples of a CSV file or a folder of images, in batches that the input takes.
  func batches(_ path: String, _ input: ModelInput) throws -> any BatchSource {
    guard let shape = input.sampleShape else {
      throw Failure("\(path): the shape of input '\(printable(input.name))' is free; give arrays")
    }
    var first: [any Transform] = []
    let samples: Samples
    if isDirectory(path) {
      guard shape.count == 3, shape[0] == 1 || shape[0] == 3 else {
        throw Failure(
          "\(path): input '\(printable(input.name))' is \(input.text), which is no image of 1 or 3 "
            + "channels")
      }
      var reader = ImageFolderReader()
      reader.channels = shape[0]
      reader.size = (shape[1], shape[2])
      samples = try reader.read(path)
    } else {
      let column = label.map { l in Int(l).map { CSVReader.Column.index($0) } ?? .name(l) }
      samples = try CSVReader(label: column).read(path)
      first = [Reshape(shape)]
    }
    do {
      return try SampleBatches(
        samples, indices: Array(0..<samples.count), transforms: first + transforms,
        batchSize: input.batch, seed: 1, training: false)
    } catch let error as DataError { throw Failure("\(path): \(error)") }
  }
}

func isDirectory(_ path: String) -> Bool {
  var isDirectory: ObjCBool = false
  return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
    && isDirectory.boolValue
}

/// `0.485,0.456,0.406`.
struct NumberList: ExpressibleByArgument {
  let numbers: [Float]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    numbers = parts.compactMap { Float($0.trimmingCharacters(in: .whitespaces)) }
    if numbers.count != parts.count || !numbers.allSatisfy(\.isFinite) { return nil }
  }
}
