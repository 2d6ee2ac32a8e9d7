import Foundation

/// A recipe's data, read, divided and ready to be trained on.
public struct LoadedData {
  public let training: any BatchSource
  public let validation: (any BatchSource)?
  public let test: (any BatchSource)?
  /// Text: what the tokens stand for.
  public let vocabulary: Vocabulary?
}

extension Recipe {
  /// Reads the data.
  ///
  /// - Parameters:
  ///   - path: Takes the place of the recipe's path.
  ///   - batch: Samples (text: streams) in a batch of every part; none is shuffled or augmented then,
  ///     as where a trained network is looked at.
  public func loadData(path: String? = nil, inspectingIn batch: Int? = nil) throws -> LoadedData {
    let data = try sampleRecipe().data
    let path = path ?? data.resolvedPath
    if case .text(let reader, let unit, let minimumCount) = data.reader {
      return try loadText(reader, unit, minimumCount, path, batch)
    }
    let (samples, split, tests) = try loadSamples(path)
    var transforms: [any Transform] = []
    for transform in data.transforms {
      switch transform {
      case .transform(let transform): transforms.append(transform)
      case .standardize:
        transforms.append(
          try Normalize.measured(on: samples, indices: split.training, after: transforms))
      }
    }
    func batches(_ samples: Samples, _ indices: [Int], training: Bool) throws -> SampleBatches {
      if let batch {
        return try SampleBatches(
          samples, indices: indices, transforms: transforms, batchSize: batch, seed: seed,
          training: false)
      }
      let size = min(indices.count, batchSize ?? indices.count)
      // A network is tested in batches of some size even where it is trained sample by sample.
      let batches = try SampleBatches(
        samples, indices: indices, transforms: transforms,
        batchSize: training ? size : max(size, min(32, indices.count)), seed: seed, training: training)
      if case .series = data.reader { batches.baseline = SeriesReader.persistence(samples, indices) }
      return batches
    }
    do {
      let test =
        if let tests { try batches(tests, Array(0..<tests.count), training: false) }
        else if split.test.isEmpty { nil as SampleBatches? }
        else { try batches(samples, split.test, training: false) }
      return LoadedData(
        training: try batches(samples, split.training, training: true),
        validation: split.validation.isEmpty
          ? nil : try batches(samples, split.validation, training: false),
        test: test, vocabulary: nil)
    } catch let error as DataError {
      throw DataError("\(path): \(error)")
    }
  }

  /// The samples, which of them are in which part, and those of a test part of its own.
  private func loadSamples(_ path: String) throws -> (Samples, Split, tests: Samples?) {
    let data = try sampleRecipe().data
    let (validation, test, seed) = (data.validationShare, data.testShare, data.splitSeed)
    switch data.reader {
    case .digitPictures(let reader):
      let made = try reader.read(path, validation: validation, test: test, seed: seed)
      return (made.samples, made.split, nil)
    case .movingDigits(let reader):
      let made = try reader.read(path, validation: validation, test: test, seed: seed)
      return (made.samples, made.split, nil)
    default: break
    }
    var samples = try data.read(path, part: .training)
    var tests: Samples?
    if let test = data.test {
      tests = try data.read(test.path, part: .test)
    } else if data.testShare == 0, data.hasOwnTest(path) {
      tests = try data.read(path, part: .test)
    }
    if let names = samples.classNames, let found = tests {
      // A class that the test part alone has is a class all the same: no label is left without one.
      let all = names + (found.classNames ?? []).filter { !names.contains($0) }
      samples = samples.renamed(all)
      tests = found.renamed(all)
    }
    do {
      let split =
        data.reader.isOrdered
        ? try Split(
          inOrder: samples.count, validation: data.validationShare, test: data.testShare)
        : try Split(
          count: samples.count, validation: data.validationShare, test: data.testShare,
          seed: data.splitSeed)
      return (samples, split, tests)
    } catch { throw DataError("\(path): \(error)") }
  }

  /// The part of a recipe that learns from samples.
  func sampleRecipe() throws -> SampleRecipe {
    guard case .samples(let samples) = subject else {
      throw RecipeError(
        file: file, line: nil, "its model has a task of its own, not samples with targets")
    }
    return samples
  }

  /// The text from its beginning is trained on; its end is held out. A folder's files come in an
  /// order drawn by the split's seed.
  private func loadText(
    _ reader: TextReader, _ unit: Vocabulary.Unit, _ minimumCount: Int, _ path: String,
    _ batch: Int?
  ) throws -> LoadedData {
    let data = try sampleRecipe().data
    var reader = reader
    reader.seed = data.splitSeed
    let text = try reader.read(path)
    let vocabulary =
      unit == .bytes ? .bytes : Vocabulary(charactersOf: text, minimumCount: minimumCount)
    let tokens = vocabulary.tokens(text)
    let tests = Int((Double(tokens.count) * data.testShare).rounded())
    let validations = Int((Double(tokens.count) * data.validationShare).rounded())
    let training = tokens.count - tests - validations
    func batches(_ range: Range<Int>, _ part: String) throws -> TokenBatches {
      try TokenBatches(
        tokens[range], vocabulary: vocabulary, batchSize: batch ?? batchSize!, length: window,
        name: "\(path): \(part)")
    }
    return LoadedData(
      training: try batches(0..<training, "the part to train on"),
      validation: validations == 0
        ? nil : try batches(training..<training + validations, "the validation part"),
      test: tests == 0 ? nil : try batches(training + validations..<tokens.count, "the test part"),
      vocabulary: vocabulary)
  }
}

extension DataRecipe {
  enum Part {
    case training
    case test
  }

  func read(_ path: String, part: Part) throws -> Samples {
    switch reader {
    case .csv(let reader): return try reader.read(path)
    case .npz(let reader): return try reader.read(path)
    case .images(let reader): return try reader.read(path)
    case .wav(let reader): return try reader.read(path)
    case .series(let reader): return try reader.read(path)
    case .adding(let problem): return problem.samples()
    case .cifar10:
      return try CIFARReader().read(path, prefix: part == .test ? "test_batch" : "data_batch")
    case .idx(let images, let labels):
      let (images, labels) = part == .test ? (test?.images, test?.labels) : (images, labels)
      let prefix = part == .test ? "t10k" : "train"
      return try IDXReader().read(
        images: idxFile(path, images ?? "\(prefix)-images-idx3-ubyte"),
        labels: idxFile(path, labels ?? "\(prefix)-labels-idx1-ubyte"))
    case .text: preconditionFailure("text has no samples")
    case .digitPictures, .movingDigits: preconditionFailure("pictures come with their split")
    }
  }

  /// Whether the folder brings a test part along, as MNIST and CIFAR-10 do.
  func hasOwnTest(_ path: String) -> Bool {
    let manager = FileManager.default
    switch reader {
    case .cifar10: return manager.fileExists(atPath: path + "/test_batch.bin")
    case .idx(images: nil, labels: nil):
      return manager.fileExists(atPath: idxFile(path, "t10k-images-idx3-ubyte"))
    default: return false
    }
  }

  /// The file in the folder, gzipped where it is only so.
  private func idxFile(_ folder: String, _ name: String) -> String {
    let path = folder + "/" + name
    let manager = FileManager.default
    return !manager.fileExists(atPath: path) && manager.fileExists(atPath: path + ".gz")
      ? path + ".gz" : path
  }
}

extension Samples {
  /// The same classes, numbered as in `names`, which has all of them.
  func renamed(_ names: [String]) -> Samples {
    guard case .classes(let classes, let old) = targets, old != names else { return self }
    let positions = old.map { Int32(names.firstIndex(of: $0)!) }
    var result = self
    result.targets = .classes(classes.map { positions[Int($0)] }, names: names)
    return result
  }
}
