import Graph

/// Learns embeddings that are near each other for samples of one class, by triplets or by centres, and
/// verifies by the cosine whether two samples are of one class: of classes that training never saw,
/// where the test part is made of such.
public final class EmbeddingTask: TrainingTask {
  public enum Loss: String, CaseIterable, Sendable {
    case triplet
    /// Softmax and centres together.
    case centre
  }

  public struct Options {
    public var loss = Loss.triplet
    public var margin = 0.2
    /// λ and α of the centre loss.
    public var strength = 0.1
    public var rate = 0.5

    public init() {}
  }

  private let source: any BatchSource
  private let options: Options
  private var batch = Batch()
  private var embeddings: [[Float]] = []
  private var classes: [Int32] = []
  /// Of the samples since `beginEvaluation`.
  public private(set) var verification: Verification?

  public init(_ source: any BatchSource, options: Options) {
    self.source = source
    self.options = options
  }

  var inputShape: [Int] { source.inputShape }
  public var batchCount: Int { source.batchCount }
  public var sampleCount: Int { source.sampleCount }

  public func run(_ rollout: Rollout<Float>, epoch: Int, index: Int) throws -> BatchResult {
    source.fill(&batch, epoch: epoch, index: index)
    rollout.begin(resetsStates: true)
    let y = try rollout.call(nil, [BatchTensor([batch.count] + source.inputShape, batch.inputs)])
    let classes = batch.classes.map { Int($0) }
    let width = y[0].shape[1]
    if !rollout.isTraining {
      for i in 0..<batch.count {
        embeddings.append((0..<width).map { y[0].data[i * width + $0] })
      }
      self.classes += batch.classes
    }
    // What training never saw has no logits and no centre.
    guard rollout.isTraining, options.loss == .centre else {
      let (loss, pairs) = MetricLoss.semiHardTriplets(
        y[0].data, count: batch.count, dimensions: width, classes: classes, margin: options.margin,
        gradient: rollout.isTraining ? y[0].gradient : nil)
      return BatchResult(loss: loss, count: Double(pairs))
    }
    guard let centres = rollout.network.weights.first(where: { $0.value.name == "centres" }) else {
      throw TrainingError("the network has no centres")
    }
    let pull = MetricLoss.centres(
      y[1].data, count: batch.count, dimensions: width, classes: classes,
      centres: centres.tensor.data, strength: options.strength, rate: options.rate,
      gradient: y[1].gradient)
    let (loss, count, hits) = batch.classes.withUnsafeBufferPointer {
      Training.Loss.crossEntropy.evaluate(y[2], LossTargets(classes: $0.baseAddress))
    }
    return BatchResult(loss: loss + pull, count: count, hits: Double(hits))
  }

  public func beginEvaluation() { (embeddings, classes, verification) = ([], [], nil) }

  public var figures: [ReportFigure] {
    verification.map {
      let title = "True pairs accepted, by false ones"
      return [ReportFigure(title: title, svg: ROCChart(title: title, curve: $0).svg)]
    } ?? []
  }

  /// Of all pairs of samples.
  public func measures() -> [Measure] {
    let unit = embeddings.map { x -> [Float] in
      let length = max(x.reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-12)
      return x.map { $0 / length }
    }
    var pairs: [(score: Float, isSame: Bool)] = []
    for i in unit.indices {
      for j in 0..<i {
        var cosine: Float = 0
        for d in unit[i].indices { cosine += unit[i][d] * unit[j][d] }
        pairs.append((cosine, classes[i] == classes[j]))
      }
    }
    let curve = Verification(pairs)
    verification = curve
    return [
      Measure("ROC area", curve.area),
      Measure("equal error", curve.equalError, isBetterWhenHigher: false),
      Measure("accepted at 1 % false", curve.trueAccepts(atFalse: 0.01)),
    ]
  }
}
