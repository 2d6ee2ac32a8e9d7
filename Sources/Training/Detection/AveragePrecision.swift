import Zoo

/// A box that a detector found.
public struct Detection: Equatable, Sendable {
  public var box: Box
  public var label: Int
  public var score: Float

  public init(_ box: Box, _ label: Int, score: Float) {
    self.box = box
    self.label = label
    self.score = score
  }
}

/// Average precision as COCO defines it (T.-Y. Lin et al., "Microsoft COCO", 2014, and the evaluation
/// code pycocotools): of each class and IoU threshold, the mean of the best precision at 101 recalls
/// of 0, 0.01 … 1, over images together; at most 100 detections of an image and class count.
public struct AveragePrecision: Equatable, Sendable {
  /// Mean over classes that have objects, at IoU 0.5.
  public var at50 = 0.0
  /// The same at 0.75.
  public var at75 = 0.0
  /// Mean over the thresholds 0.5, 0.55 … 0.95 too.
  public var mean = 0.0
  /// Of each class at IoU 0.5; nil where no image has an object of it.
  public var ofClass50: [Double?] = []
  /// Share of objects found at IoU 0.5, mean over the classes: COCO's recall with 100 detections.
  public var recall50 = 0.0

  public init() {}

  // Rounded as NumPy's linspace does: a recall may be exactly one of them.
  public static let thresholds: [Double] = {
    let step: Double = (0.95 - 0.5) / 9
    return (0..<9).map { 0.5 + Double($0) * step } + [0.95]
  }()
  private static let recalls: [Double] = (0...100).map { Double($0) * 0.01 }
  private static let mostDetections = 100

  /// - Parameters:
  ///   - found: of each image.
  ///   - objects: of the same images.
  public init(_ found: [[Detection]], of objects: [[LabelledBox]], classes: Int) {
    precondition(found.count == objects.count)
    var sums = [Double](repeating: 0, count: AveragePrecision.thresholds.count)
    var recalls = 0.0
    var counted = 0
    for label in 0..<classes {
      guard let results = AveragePrecision.ofClass(label, found, objects) else {
        ofClass50.append(nil)
        continue
      }
      counted += 1
      ofClass50.append(results[0].precision)
      recalls += results[0].recall
      for i in sums.indices { sums[i] += results[i].precision }
    }
    guard counted > 0 else { return }
    at50 = sums[0] / Double(counted)
    at75 = sums[5] / Double(counted)
    mean = sums.reduce(0, +) / Double(counted * sums.count)
    recall50 = recalls / Double(counted)
  }

  /// A class's average precision and recall at each threshold; nil: there are no objects of it.
  private static func ofClass(
    _ label: Int, _ found: [[Detection]], _ objects: [[LabelledBox]]
  ) -> [(precision: Double, recall: Double)]? {
    var total = 0
    /// Of all images, in their order: score and, for each threshold, whether it is right, wrong or
    /// neither (it covers a crowd).
    var judged: [(score: Float, verdicts: [Verdict])] = []
    for (detections, objects) in zip(found, objects) {
      // Crowds last: a detection is matched to one only where no object is left for it.
      let objects =
        objects.filter { $0.label == label && !$0.isCrowd }
        + objects.filter { $0.label == label && $0.isCrowd }
      total += objects.count { !$0.isCrowd }
      let best = stableOrder(detections.filter { $0.label == label }, by: \.score)
        .prefix(mostDetections)
      let verdicts = thresholds.map { match(Array(best), objects, threshold: $0) }
      for (i, detection) in best.enumerated() {
        judged.append((detection.score, verdicts.map { $0[i] }))
      }
    }
    if total == 0 { return nil }
    let order = stableOrder(judged, by: \.score)
    return thresholds.indices.map { t in
      curve(order.map { $0.verdicts[t] }.filter { $0 != .ignored }, total)
    }
  }

  private enum Verdict { case right, wrong, ignored }

  /// Best score first; equal ones stay in their order.
  private static func stableOrder<T>(_ list: [T], by score: (T) -> Float) -> [T] {
    list.enumerated().sorted {
      let (a, b) = (score($0.element), score($1.element))
      return a != b ? a > b : $0.offset < $1.offset
    }.map(\.element)
  }

  /// Each detection, best first, takes the free object that it overlaps most.
  private static func match(
    _ detections: [Detection], _ objects: [LabelledBox], threshold: Double
  ) -> [Verdict] {
    var isTaken = [Bool](repeating: false, count: objects.count)
    return detections.map { detection in
      var best = -1
      var overlap = min(threshold, 1 - 1e-10)
      for (j, object) in objects.enumerated() {
        if isTaken[j] && !object.isCrowd { continue }
        // An object was found: crowds are not looked at any more.
        if best >= 0 && !objects[best].isCrowd && object.isCrowd { break }
        let iou = self.overlap(detection.box, object)
        if iou < overlap { continue }
        overlap = iou
        best = j
      }
      if best < 0 { return .wrong }
      isTaken[best] = true
      return objects[best].isCrowd ? .ignored : .right
    }
  }

  /// IoU in double; of a crowd, which may hold many detections, the share of the detection in it.
  private static func overlap(_ box: Box, _ object: LabelledBox) -> Double {
    let (a, b) = (box, object.box)
    let width = min(Double(a.x2), Double(b.x2)) - max(Double(a.x1), Double(b.x1))
    let height = min(Double(a.y2), Double(b.y2)) - max(Double(a.y1), Double(b.y1))
    if width <= 0 || height <= 0 { return 0 }
    let own = (Double(a.x2) - Double(a.x1)) * (Double(a.y2) - Double(a.y1))
    let other = (Double(b.x2) - Double(b.x1)) * (Double(b.y2) - Double(b.y1))
    let common = width * height
    return common / (object.isCrowd ? own : own + other - common)
  }

  private static func curve(_ verdicts: [Verdict], _ total: Int) -> (precision: Double, recall: Double) {
    var recall: [Double] = []
    var precision: [Double] = []
    var right = 0
    for (i, verdict) in verdicts.enumerated() {
      if verdict == .right { right += 1 }
      recall.append(Double(right) / Double(total))
      precision.append(Double(right) / Double(i + 1))
    }
    // The best precision at this recall or a greater one.
    for i in precision.indices.dropLast().reversed() {
      precision[i] = max(precision[i], precision[i + 1])
    }
    var sum = 0.0
    var at = 0
    for wanted in recalls {
      while at < recall.count && recall[at] < wanted { at += 1 }
      if at == recall.count { break }
      sum += precision[at]
    }
    return (sum / Double(recalls.count), recall.last ?? 0)
  }
}
