/// Batches of samples in memory: shuffled anew in each epoch, transformed as they are taken.
public final class SampleBatches: BatchSource {
  public let batchSize: Int
  public let inputShape: [Int]
  public let target: TargetKind
  public let classNames: [String]?
  public internal(set) var baseline: Measure?

  private let samples: Samples
  private let indices: [Int]
  private let chain: TransformChain
  private let seed: UInt64
  private let shuffles: Bool
  private let perClass: Int
  private let buffers: UnsafeMutablePointer<Float>
  private var order: [Int]
  private var orderEpoch = -1

  /// - Parameters:
  ///   - indices: Which of the samples: a part of a split.
  ///   - transforms: Done to each sample, in this order.
  ///   - training: Shuffle, and apply random transforms. Otherwise the samples come in the order of
  ///     `indices` and random transforms are left out.
  ///   - dropsLast: Leave out an epoch's last batch where it is not full.
  ///   - perClass: Shuffle so many samples of a class together, so that each has others like it in its
  ///     batch.
  public init(
    _ samples: Samples, indices: [Int], transforms: [any Transform], batchSize: Int, seed: UInt64,
    training: Bool, dropsLast: Bool = false, perClass: Int = 1
  ) throws {
    self.samples = samples
    self.indices = indices
    self.batchSize = batchSize
    self.seed = seed
    shuffles = training
    self.perClass = perClass
    chain = try TransformChain(
      training ? transforms : transforms.compactMap(\.whenTested), inputShape: samples.shape)
    inputShape = chain.outputShape
    classNames = samples.classNames
    switch samples.targets {
    case .classes(_, let names): target = .classes(count: names.count)
    case .values(_, let shape): target = .values(shape: shape)
    case .inputs: target = .values(shape: chain.outputShape)
    }
    order = indices
    batchCount = dropsLast ? indices.count / batchSize : (indices.count + batchSize - 1) / batchSize
    sampleCount = dropsLast ? batchCount * batchSize : indices.count
    buffers = .allocate(capacity: max(1, 2 * chain.largestSize))
  }

  deinit {
    buffers.deallocate()
  }

  public let sampleCount: Int
  public let batchCount: Int
  public var hasTokens: Bool { false }

  public func fill(_ batch: inout Batch, epoch: Int, index: Int) {
    if shuffles && orderEpoch != epoch {
      var random = SeededRandom(seed: seed, 1, epoch)
      order = random.permutation(indices.count).map { indices[$0] }
      if perClass > 1, case .classes(let classes, _) = samples.targets {
        order = SampleBatches.grouped(order, classes, perClass, &random)
      }
      orderEpoch = epoch
    }
    let start = index * batchSize
    let end = min(start + batchSize, sampleCount)
    let size = inputShape.reduce(1, *)
    batch.count = end - start
    batch.continues = false
    resize(&batch.inputs, to: batch.count * size)
    for position in start..<end {
      let sample = order[position]
      samples.copyInput(sample, to: buffers)
      // The sample's own generator: what is drawn does not depend on its neighbours in the batch.
      var random = SeededRandom(seed: seed, 2, epoch, sample)
      let result = chain.apply(buffers, buffers + chain.largestSize, random: &random)
      batch.inputs.withUnsafeMutableBufferPointer {
        ($0.baseAddress! + (position - start) * size).update(from: result, count: size)
      }
    }
    switch samples.targets {
    case .classes(let classes, _):
      resize(&batch.classes, to: batch.count)
      for position in start..<end { batch.classes[position - start] = classes[order[position]] }
    case .values(let values, let shape):
      let size = shape.reduce(1, *)
      resize(&batch.values, to: batch.count * size)
      for position in start..<end {
        for i in 0..<size {
          batch.values[(position - start) * size + i] = values[order[position] * size + i]
        }
      }
    case .inputs: batch.values = batch.inputs
    }
  }
}

extension SampleBatches {
  /// Groups of `size` samples of one class, in a random order.
  private static func grouped(
    _ order: [Int], _ classes: [Int32], _ size: Int, _ random: inout SeededRandom
  ) -> [Int] {
    var groups: [[Int]] = []
    // The group of each class that is not full.
    var open: [Int32: Int] = [:]
    for sample in order {
      let c = classes[sample]
      if let group = open[c] {
        groups[group].append(sample)
      } else {
        open[c] = groups.count
        groups.append([sample])
      }
      if groups[open[c]!].count == size { open[c] = nil }
    }
    return random.permutation(groups.count).flatMap { groups[$0] }
  }
}

/// Makes an array `count` long, what it holds being of no interest.
func resize<T: ExpressibleByIntegerLiteral>(_ array: inout [T], to count: Int) {
  if array.count > count {
    array.removeLast(array.count - count)
  } else if array.count < count {
    array.append(contentsOf: repeatElement(0, count: count - array.count))
  }
}
