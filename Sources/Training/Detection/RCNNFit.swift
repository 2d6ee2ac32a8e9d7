import Graph
import Zoo

/// What R-CNN fits to the features of its fine-tuned network: R. Girshick et al. 2014.
///
/// A support vector machine for each class (section 2.3, "Object category classifiers"): its positive
/// samples are the objects, its negative ones regions that overlap no object of the class by 0.3; hard
/// negatives are mined until there are no new ones. And for each class linear functions that move
/// boxes (appendix C), learnt from regions that overlap an object by 0.6.
public struct RCNNFit {
  public let net: RCNN
  public var svm = LinearSVM()
  /// λ of appendix C.
  public var boxStrength = 1_000.0
  /// Images to learn from.
  public var images = 500
  public var seed: UInt64 = 1

  /// The mean norm that features are scaled to for the machines, and the margins from which on a
  /// negative is hard, and below which it is let go: of the authors' code.
  private let norm: Float = 20
  private let hard: Float = -1.0001
  private let easy: Float = -1.2
  private let rounds = 10

  public init(_ net: RCNN) { self.net = net }

  /// Whether a network has been through `fit`.
  static func isFitted(_ network: Network<Float>) -> Bool {
    let margins = RCNNFit.weight("margins.weight", network)
    return (0..<margins.count).contains { margins.data[$0] != 0 }
  }

  /// Puts the fitted weights into the network.
  public func fit(
    _ network: Network<Float>, to source: any BoxedImages, proposer: any RegionProposer
  ) throws {
    var samples = try look(network, source, proposer)
    let margins = RCNNFit.weight("margins.weight", network)
    let biases = RCNNFit.weight("margins.bias", network)
    let (width, scale) = (margins.shape[1], samples.rescale(to: norm))
    for label in 0..<net.classes {
      guard let machine = machine(label, samples) else { continue }
      for k in 0..<width { margins.data[label * width + k] = scale * machine.weights[k] }
      biases.data[label] = machine.bias
      fitBoxes(label, samples, network)
    }
  }

  private static func weight(_ name: String, _ network: Network<Float>) -> Tensor<Float> {
    network.weights.first { $0.value.name == name }!.tensor
  }

  // MARK: Samples

  /// The regions of all images.
  private struct Samples {
    var width = 0
    /// [regions, width].
    var units: [Float] = []
    /// [regions, classes]: the greatest overlap with an object of each class.
    var overlaps: [Float] = []
    /// The label of regions that are an object's own box; −1: others.
    var labels: [Int] = []
    /// Of each class the maps of regions near its objects, and the differences to these.
    var maps: [[Float]]
    var differences: [[Float]]

    init(classes: Int) {
      maps = [[Float]](repeating: [], count: classes)
      differences = maps
    }

    /// Makes the mean norm of the units `norm`.
    ///
    /// - Returns: what they were multiplied by.
    mutating func rescale(to norm: Float) -> Float {
      var sum: Float = 0
      for i in labels.indices {
        let own = units[i * width..<(i + 1) * width]
        sum += own.reduce(0) { $0 + $1 * $1 }.squareRoot() / Float(labels.count)
      }
      let scale = sum > 0 ? norm / sum : 1
      for i in units.indices { units[i] *= scale }
      return scale
    }
  }

  private func look(
    _ network: Network<Float>, _ source: any BoxedImages, _ proposer: any RegionProposer
  ) throws -> Samples {
    let rollout = Rollout(network, isTraining: false)
    var samples = Samples(classes: net.classes)
    var pixels = [Float](repeating: 0, count: source.shape.reduce(1, *))
    for index in 0..<min(images, source.count) {
      let objects = try source.image(index, epoch: 0, into: &pixels).filter { !$0.isCrowd }
      let proposals = proposer.regions(pixels, shape: source.shape)
      let regions = objects.map(\.box) + proposals
      samples.labels += objects.map(\.label) + proposals.map { _ in -1 }
      for region in regions {
        samples.overlaps += (0..<net.classes).map { label in
          objects.reduce(0) { $1.label == label ? max($0, region.iou($1.box)) : $0 }
        }
      }
      try RCNNTask.scan(rollout, pixels, source.shape, regions) { rows, y in
        samples.width = y[3].shape[1]
        let units = UnsafeBufferPointer(start: y[3].data, count: rows.count * samples.width)
        samples.units.append(contentsOf: units)
        // The objects themselves have nowhere to go.
        for row in rows where row >= objects.count {
          addPair(regions[row], objects, y[4], row - rows.lowerBound, &samples)
        }
      }
    }
    return samples
  }

  private func addPair(
    _ region: Box, _ objects: [LabelledBox], _ maps: Tensor<Float>, _ row: Int,
    _ samples: inout Samples
  ) {
    guard let best = objects.max(by: { region.iou($0.box) < region.iou($1.box) }),
      region.iou(best.box) >= 0.6
    else { return }
    let width = maps.shape[1]
    samples.maps[best.label].append(
      contentsOf: UnsafeBufferPointer(start: maps.data + row * width, count: width))
    let d = BoxCoding().encode(CenterBox(best.box), from: CenterBox(region))
    samples.differences[best.label] += [d[0], d[1], d[2], d[3]]
  }

  // MARK: Machines

  /// nil: there is no object of the class.
  private func machine(_ label: Int, _ samples: Samples) -> LinearSVM.Solution? {
    let positive = samples.labels.indices.filter { samples.labels[$0] == label }
    let negative = samples.labels.indices.filter {
      samples.overlaps[$0 * net.classes + label] < 0.3
    }
    if positive.isEmpty || negative.isEmpty { return nil }
    var random = SeededRandom(seed: seed, 7, label)
    let width = samples.width
    let first = random.permutation(negative.count).prefix(4 * positive.count)
    var cache = Set(first.map { negative[$0] })
    var machine: LinearSVM.Solution!
    for _ in 0..<rounds {
      let rows = positive + cache.sorted()
      machine = svm.fit(
        samples.units, dimensions: width, rows: rows, isPositive: rows.indices.map { $0 < positive.count },
        random: &random)
      var added = 0
      var kept: Set<Int> = []
      samples.units.withUnsafeBufferPointer { x in
        for i in negative {
          let margin = Float.dot(width, x.baseAddress! + i * width, machine.weights) + machine.bias
          if margin > hard || cache.contains(i) && margin > easy {
            kept.insert(i)
            if !cache.contains(i) { added += 1 }
          }
        }
      }
      cache = kept
      if added == 0 { break }
    }
    return machine
  }

  // MARK: Boxes

  private func fitBoxes(_ label: Int, _ samples: Samples, _ network: Network<Float>) {
    let weights = RCNNFit.weight("boxes.weight", network)
    let biases = RCNNFit.weight("boxes.bias", network)
    let count = samples.differences[label].count / 4
    if count == 0 { return }
    let width = weights.shape[1]
    let (w, b) = RidgeRegression(strength: boxStrength).fit(
      samples.maps[label], samples.differences[label], count: count, dimensions: width, outputs: 4)
    for (k, value) in w.enumerated() { weights.data[label * 4 * width + k] = Float(value) }
    for k in 0..<4 { biases.data[label * 4 + k] = Float(b[k]) }
  }
}
