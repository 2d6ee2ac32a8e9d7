import ModelFormat
import Quantization
import Training

/// Runs over the batches of what `train` reads: tables, folders of images, texts.
final class BatchRuns: CalibrationSource {
  let shapes: [(name: String, dimensions: [Int])]
  private let source: any BatchSource
  private let path: String
  private let choice: RunChoice
  private(set) var batch = Batch()
  private var filled = -1

  init(
    _ source: any BatchSource, path: String, _ input: ModelInput, limit: Int
  ) throws {
    self.source = source
    self.path = path
    // The last batch may be smaller than the model's.
    let full = source.hasTokens ? source.batchCount : source.sampleCount / source.batchSize
    choice = RunChoice(total: full, atMost: limit, isSpread: !source.hasTokens)
    let shape =
      source.hasTokens
      ? source.inputShape + [source.batchSize] : [source.batchSize] + source.inputShape
    guard input.accepts(shape), input.type == (source.hasTokens ? .int32 : .float32) else {
      throw Failure(
        "\(path): its samples make an input of \(shapeText(shape)); input "
          + "'\(printable(input.name))' is \(input.type.name) \(input.text)")
    }
    shapes = [(input.name, shape)]
  }

  var count: Int { choice.count }
  var carriesStates: Bool { source.hasTokens }

  func name(run: Int) -> String { "sample \(choice[run] * source.batchSize) of \(path)" }

  func fill(input: Int, run: Int, to data: UnsafeMutableRawPointer) {
    prepare(run)
    func copy<T>(_ array: [T]) {
      array.withUnsafeBytes { data.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    }
    if source.hasTokens { copy(batch.tokens) } else { copy(batch.inputs) }
  }

  func prepare(_ run: Int) {
    if filled == run { return }
    source.fill(&batch, epoch: 0, index: choice[run])
    filled = run
  }
}

/// The only input of a function, as the file declares it.
struct ModelInput {
  let name: String
  let type: DataType
  /// Free dimensions are negative.
  let dimensions: [Int]
  let text: String

  init(_ opened: OpenedModel, function f: Int, for path: String) throws {
    let inputs = opened.inputTensors(f)
    guard inputs.count == 1 else {
      throw Failure(
        "\(path): the model has \(inputs.count) inputs; give it arrays of their names in an .npz file")
    }
    let record = opened.file.tensor(inputs[0])
    name = opened.name(tensor: inputs[0])
    type = DataType(rawValue: record.dataType)!
    dimensions = opened.file.declaredShape(record).dimensions
    text = "[" + (opened.declaredShape(tensor: inputs[0]) ?? []).joined(separator: ", ") + "]"
  }

  func accepts(_ shape: [Int]) -> Bool {
    shape.count == dimensions.count && zip(shape, dimensions).allSatisfy { $1 < 0 || $0 == $1 }
  }

  /// Samples that it takes at once.
  var batch: Int { dimensions.first.map { max($0, 1) } ?? 1 }
  /// Of one sample, where nothing of it is free.
  var sampleShape: [Int]? {
    dimensions.dropFirst().allSatisfy { $0 > 0 } ? Array(dimensions.dropFirst()) : nil
  }
}
