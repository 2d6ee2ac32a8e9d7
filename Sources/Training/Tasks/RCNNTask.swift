import Zoo

/// Fine-tunes R-CNN's network: regions of each image, a quarter of them on objects, are told apart
/// from the background and from each other (R. Girshick et al. 2014, section 2.3, "Domain-specific
/// fine-tuning"). Measured by COCO's average precision, with whatever scores the network has by then:
/// see `RCNNFit`.
public final class RCNNTask: TrainingTask {
  private let net: RCNN
  private let images: BoxedBatches
  private let proposer: any RegionProposer
  private let seed: UInt64
  private let sampling = RegionSampling(regions: 32, objects: 8)
  private var found: [[Detection]] = []
  private var objects: [[LabelledBox]] = []
  /// Objects that a proposal overlaps by at least half.
  private var proposed = 0

  public init(
    _ net: RCNN, _ images: any BoxedImages, proposer: any RegionProposer, batchSize: Int,
    seed: UInt64, shuffles: Bool
  ) {
    self.net = net
    self.proposer = proposer
    self.images = BoxedBatches(images, batchSize: batchSize, seed: seed, shuffles: shuffles)
    self.seed = seed
  }

  public var unit: String { "images" }
  public var sampleCount: Int { images.sampleCount }
  public var batchCount: Int { images.batchCount }

  public func run(_ rollout: Rollout<Float>, epoch: Int, index: Int) throws -> BatchResult {
    let objects = try images.load(epoch: epoch, index: index)
    let proposals = objects.indices.map {
      proposer.regions(images.pixels($0), shape: images.images.shape)
    }
    let loss =
      rollout.isTraining
      ? try train(rollout, proposals, objects, SeededRandom(seed: seed, 6, epoch, index))
      : try look(rollout, proposals, objects)
    return BatchResult(loss: loss, count: Double(objects.count))
  }

  private func train(
    _ rollout: Rollout<Float>, _ proposals: [[Box]], _ objects: [[LabelledBox]],
    _ generator: SeededRandom
  ) throws -> Double {
    var random = generator
    let regions = objects.indices.map { i -> [Box] in
      let drawn = sampling.draw(proposals[i], objects[i], &random)
      // As many of each image, so that all batches have one shape.
      let all = drawn.isEmpty ? [Box(0, 0, 1, 1)] : drawn
      return (0..<sampling.regions).map { all[$0 % all.count] }
    }
    rollout.begin(resetsStates: true)
    let numbers = regions.indices.flatMap {
      [Int32](repeating: Int32($0), count: sampling.regions)
    }
    let y = try rollout.call(
      nil,
      [images.tensor, RCNNTask.tensor(regions.flatMap { $0 }),
        BatchTensor([numbers.count], integers: numbers)])[0]
    let scale = 1 / Float(numbers.count)
    var loss = 0.0
    for (image, list) in regions.enumerated() {
      for (i, region) in list.enumerated() {
        loss += softmaxLoss(
          y, row: image * sampling.regions + i, label: RCNNTask.label(region, objects[image]),
          scale: scale)
      }
    }
    return loss
  }

  private func look(
    _ rollout: Rollout<Float>, _ proposals: [[Box]], _ objects: [[LabelledBox]]
  ) throws -> Double {
    let isFitted = RCNNFit.isFitted(rollout.network)
    var loss = 0.0
    for (i, regions) in proposals.enumerated() {
      let scale = 1 / Float(max(1, regions.count) * proposals.count)
      var candidates = Candidates(classes: net.classes)
      candidates.hasBoxesOfClasses = true
      try RCNNTask.scan(rollout, images.pixels(i), images.images.shape, regions) { rows, y in
        let part = Array(regions[rows])
        func difference(_ row: Int, _ label: Int) -> SIMD4<Float> {
          let d = y[2].data + (row * net.classes + label) * 4
          return SIMD4(d[0], d[1], d[2], d[3])
        }
        let own =
          isFitted && net.scores == .svm
          ? Candidates(
            part, classes: net.classes, BoxCoding(),
            scores: (0..<part.count * net.classes).map { logistic(y[1].data[$0]) },
            difference: difference)
          : Candidates(
            part, classes: net.classes, BoxCoding(), background: y[0].data, difference: difference)
        candidates.boxes += own.boxes
        candidates.scores += own.scores
        for (row, region) in part.enumerated() {
          loss += softmaxLoss(
            y[0], row: row, label: RCNNTask.label(region, objects[i]), scale: scale)
        }
      }
      found.append(candidates.suppressed(net.suppression))
      proposed += objects[i].count { object in regions.contains { $0.iou(object.box) >= 0.5 } }
    }
    self.objects += objects
    return loss
  }

  public func beginEvaluation() { (found, objects, proposed) = ([], [], 0) }

  public func measures() -> [Measure] {
    if objects.isEmpty { return [] }
    let precision = AveragePrecision(found, of: objects, classes: net.classes)
    let all = objects.reduce(0) { $0 + $1.count }
    return [
      Measure("mAP@0.5", precision.at50), Measure("mAP@0.5:0.95", precision.mean),
      Measure("objects proposed", Double(proposed) / Double(max(all, 1))),
    ]
  }
}

extension RCNNTask {
  /// Regions that the network looks at in one call.
  private static let regionsAtOnce = 64

  /// Shows regions of one image to the network, some at a time.
  ///
  /// - Parameters:
  ///   - shape: [channels, height, width].
  ///   - use: is told which regions, and the network's outputs for them in its first rows.
  static func scan(
    _ rollout: Rollout<Float>, _ pixels: [Float], _ shape: [Int], _ regions: [Box],
    use: (Range<Int>, [Tensor<Float>]) throws -> Void
  ) throws {
    let image = BatchTensor([1] + shape, pixels)
    let zeros = BatchTensor(
      [regionsAtOnce], integers: [Int32](repeating: 0, count: regionsAtOnce))
    for start in stride(from: 0, to: regions.count, by: regionsAtOnce) {
      let rows = start..<min(start + regionsAtOnce, regions.count)
      let rest = [Box](repeating: Box(0, 0, 1, 1), count: regionsAtOnce - rows.count)
      rollout.begin(resetsStates: true)
      try use(rows, rollout.call(nil, [image, tensor(regions[rows] + rest), zeros]))
    }
  }

  private static func tensor(_ regions: [Box]) -> BatchTensor {
    BatchTensor([regions.count, 4], regions.flatMap { [$0.x1, $0.y1, $0.x2, $0.y2] })
  }

  /// 0: background.
  private static func label(_ region: Box, _ objects: [LabelledBox]) -> Int {
    objects.object(at: region).map { $0.label + 1 } ?? 0
  }
}
