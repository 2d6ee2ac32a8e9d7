import Graph
import Zoo

/// A detector that can be trained: its network, its loss, and what its outputs mean.
public protocol TrainableDetector {
  /// Of the image.
  var channels: Int { get set }
  /// Beside the background, where the network has one.
  var classes: Int { get set }
  var seed: UInt64 { get set }
  /// Pixels of the image, either way.
  var size: Int { get }
  var suppression: Suppression { get }

  /// As it is trained, and as it is run.
  func graph() throws -> Graph
  func detector() throws -> Graph
  /// The loss of a batch's outputs. Adds its derivative to their gradients where there are any.
  func loss(_ outputs: [Tensor<Float>], _ objects: [[LabelledBox]]) -> DetectionLoss
  /// What the outputs say of one image of the batch.
  func candidates(_ outputs: [Tensor<Float>], image: Int) -> Candidates
}

/// Finding the objects in images; measured by COCO's average precision.
public final class DetectionTask: TrainingTask {
  private let detector: any TrainableDetector
  private let images: BoxedBatches
  /// Of the evaluation, image by image.
  private var found: [[Detection]] = []
  private var objects: [[LabelledBox]] = []

  public init(
    _ detector: any TrainableDetector, _ images: any BoxedImages, batchSize: Int, seed: UInt64,
    shuffles: Bool
  ) {
    self.detector = detector
    self.images = BoxedBatches(images, batchSize: batchSize, seed: seed, shuffles: shuffles)
  }

  public var unit: String { "images" }
  public var sampleCount: Int { images.sampleCount }
  public var batchCount: Int { images.batchCount }

  public func run(_ rollout: Rollout<Float>, epoch: Int, index: Int) throws -> BatchResult {
    let objects = try images.load(epoch: epoch, index: index)
    rollout.begin(resetsStates: true)
    let outputs = try rollout.call(nil, [images.tensor])
    let loss = detector.loss(outputs, objects)
    if !rollout.isTraining {
      self.objects += objects
      for i in objects.indices {
        found.append(
          detector.candidates(outputs, image: i).suppressed(detector.suppression))
      }
    }
    return BatchResult(loss: loss.total, count: Double(objects.count))
  }

  public func beginEvaluation() {
    found = []
    objects = []
  }

  public func measures() -> [Measure] {
    if objects.isEmpty { return [] }
    let precision = AveragePrecision(found, of: objects, classes: detector.classes)
    return [Measure("mAP@0.5", precision.at50), Measure("mAP@0.5:0.95", precision.mean)]
  }
}
