import Graph
import Zoo

/// Trains Fast R-CNN and Faster R-CNN: regions are drawn for each image, a quarter of them on
/// objects (R. Girshick 2015, section 2.3, "Mini-batch sampling"). Faster R-CNN is trained as a whole:
/// its proposals are the regions, and are taken as given (S. Ren et al. 2016, section 3.2,
/// "Approximate joint training").
public final class RegionTask: TrainingTask {
  private let net: FastRCNN
  private let images: BoxedBatches
  private let seed: UInt64
  private let anchors: [CenterBox]
  private let anchorBoxes: [Box]
  private var found: [[Detection]] = []
  private var objects: [[LabelledBox]] = []
  /// Runs the network to see its proposals, while another rollout trains it.
  private var looker: Rollout<Float>?

  /// What the head learns from.
  private let sampling = RegionSampling(regions: 32, objects: 12)
  /// The same for the proposals.
  private let anchorsPerImage = 64

  private static let headCoding = BoxCoding(
    place: FastRCNN.variances.place, size: FastRCNN.variances.size)
  private static let proposalCoding = BoxCoding()

  public init(
    _ net: FastRCNN, _ images: any BoxedImages, batchSize: Int, seed: UInt64, shuffles: Bool
  ) {
    self.net = net
    self.images = BoxedBatches(images, batchSize: batchSize, seed: seed, shuffles: shuffles)
    self.seed = seed
    anchors = net.anchors
    anchorBoxes = anchors.map { Box($0) }
  }

  public var unit: String { "images" }
  public var sampleCount: Int { images.sampleCount }
  public var batchCount: Int { images.batchCount }

  public func run(_ rollout: Rollout<Float>, epoch: Int, index: Int) throws -> BatchResult {
    let objects = try images.load(epoch: epoch, index: index)
    var random = SeededRandom(seed: seed, 6, epoch, index)
    var regions = try proposals(rollout, objects.count)
    if rollout.isTraining {
      for i in objects.indices { regions[i] = sampling.draw(regions[i], objects[i], &random) }
    }
    rollout.begin(resetsStates: true)
    let outputs = try rollout.call(nil, [images.tensor, tensor(regions)])
    var loss = headLoss(outputs, regions, objects)
    if net.kind == .faster { loss += proposalLoss(outputs, objects, &random) }
    if !rollout.isTraining {
      self.objects += objects
      found += detections(outputs, regions)
    }
    return BatchResult(loss: loss.total, count: Double(objects.count))
  }

  public func beginEvaluation() {
    found = []
    objects = []
  }

  public func measures() -> [Measure] {
    if objects.isEmpty { return [] }
    let precision = AveragePrecision(found, of: objects, classes: net.classes)
    return [Measure("mAP@0.5", precision.at50), Measure("mAP@0.5:0.95", precision.mean)]
  }

  // MARK: Regions

  /// The regions to look at, of each image.
  private func proposals(_ rollout: Rollout<Float>, _ count: Int) throws -> [[Box]] {
    guard net.kind == .faster else {
      return [[Box]](repeating: anchorBoxes.map(\.withinImage), count: count)
    }
    var own = rollout
    if rollout.isTraining {
      if looker?.network !== rollout.network {
        looker = Rollout(rollout.network, isTraining: false)
      }
      own = looker!
    }
    own.begin(resetsStates: true)
    let one = BatchTensor([1, 5], [0, 0, 0, Float(net.size), Float(net.size)])
    let outputs = try own.call(nil, [images.tensor, one])
    let (objectness, places) = (outputs[2], outputs[3])
    return (0..<count).map { image in
      var candidates = Candidates(classes: 1)
      for (i, anchor) in anchors.enumerated() {
        let at = image * anchors.count + i
        let z = objectness.data + at * 2
        let p = places.data + at * 4
        candidates.boxes.append(
          Box(RegionTask.proposalCoding.decode(SIMD4(p[0], p[1], p[2], p[3]), from: anchor))
            .withinImage)
        candidates.scores.append(logistic(z[1] - z[0]))
      }
      var suppression = Suppression()
      suppression.scoreThreshold = -1
      suppression.iouThreshold = 0.7
      suppression.perClass = net.regions
      return candidates.best(6 * net.regions).suppressed(suppression).map(\.box)
    }
  }

  private func tensor(_ regions: [[Box]]) -> BatchTensor {
    let size = Float(net.size)
    let numbers = regions.enumerated().flatMap { image, boxes in
      boxes.flatMap { [Float(image), $0.x1 * size, $0.y1 * size, $0.x2 * size, $0.y2 * size] }
    }
    return BatchTensor([numbers.count / 5, 5], numbers)
  }

  // MARK: Losses

  /// Fast R-CNN, equations 1 and 2; the mean over the regions.
  private func headLoss(
    _ outputs: [Tensor<Float>], _ regions: [[Box]], _ objects: [[LabelledBox]]
  ) -> DetectionLoss {
    let (labels, boxes) = (outputs[0], outputs[1])
    let n = net.classes + 1
    let scale = 1 / Float(max(labels.shape[0], 1))
    var result = DetectionLoss()
    var row = 0
    for (image, list) in regions.enumerated() {
      for region in list {
        let object = objects[image].object(at: region)
        let label = object.map { $0.label + 1 } ?? 0
        result.classes += softmaxLoss(labels, row: row, label: label, scale: scale)
        if let object, region.area > 0 {
          let code = RegionTask.headCoding.encode(CenterBox(object.box), from: CenterBox(region))
          result.boxes += smooth(boxes, (row * n + label) * 4, code, scale)
        }
        row += 1
      }
    }
    return result
  }

  /// Faster R-CNN, section 3.1.2: anchors that overlap an object by more than 0.7, or most of all, are
  /// to be objects, those below 0.3 not.
  private func proposalLoss(
    _ outputs: [Tensor<Float>], _ objects: [[LabelledBox]], _ random: inout SeededRandom
  ) -> DetectionLoss {
    let (objectness, places) = (outputs[2], outputs[3])
    let scale = 1 / Float(anchorsPerImage * objects.count)
    var result = DetectionLoss()
    for (image, objects) in objects.enumerated() {
      let boxes = objects.map(\.box)
      let match = matchBoxes(anchorBoxes, to: boxes, threshold: 0.7)
      let order = random.permutation(anchors.count)
      let on = order.filter { match[$0] >= 0 }.prefix(anchorsPerImage / 2)
      let off = order.filter { i in
        match[i] < 0 && boxes.allSatisfy { anchorBoxes[i].iou($0) < 0.3 }
      }.prefix(anchorsPerImage - on.count)
      for i in Array(on) + Array(off) {
        let at = image * anchors.count + i
        let z = objectness.data + at * 2
        let isObject: Float = match[i] >= 0 ? 1 : 0
        result.objectness += Double(scale * logisticLoss(z[1] - z[0], isObject))
        if let gradient = objectness.gradient {
          let slope = scale * (logistic(z[1] - z[0]) - isObject)
          gradient[at * 2 + 1] += slope
          gradient[at * 2] -= slope
        }
        if match[i] >= 0 {
          let code = RegionTask.proposalCoding.encode(
            CenterBox(boxes[match[i]]), from: anchors[i])
          // λ = 10 over the number of places comes to about this.
          result.boxes += smooth(places, at * 4, code, 4 * scale)
        }
      }
    }
    return result
  }

  private func smooth(
    _ y: Tensor<Float>, _ at: Int, _ target: SIMD4<Float>, _ scale: Float
  ) -> Double {
    var sum: Float = 0
    for k in 0..<4 {
      let d = y.data[at + k] - target[k]
      sum += abs(d) < 1 ? d * d / 2 : abs(d) - 0.5
      y.gradient?[at + k] += scale * min(max(d, -1), 1)
    }
    return Double(sum * scale)
  }

  // MARK: Results

  private func detections(_ outputs: [Tensor<Float>], _ regions: [[Box]]) -> [[Detection]] {
    let n = net.classes + 1
    var start = 0
    return regions.map { list in
      defer { start += list.count }
      let candidates = Candidates(
        list, classes: net.classes, RegionTask.headCoding, background: outputs[0].data + start * n
      ) { row, label in
        let d = outputs[1].data + ((start + row) * n + label + 1) * 4
        return SIMD4(d[0], d[1], d[2], d[3])
      }
      return candidates.suppressed(net.suppression)
    }
  }
}
