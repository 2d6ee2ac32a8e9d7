import Graph
import ModelFormat

/// What becomes of a detector's scored boxes: J. Redmon et al. 2016, section 2.3, and W. Liu et al.
/// 2016, section 2.2, do the same.
public struct Suppression {
  /// Boxes with less are left out.
  public var scoreThreshold: Float = 0.05
  /// A box that overlaps a better one of its class by more is taken for the same object.
  public var iouThreshold: Float = 0.45
  /// Boxes kept of one class.
  public var perClass = 50
  /// Boxes kept of all classes together.
  public var total = 100

  public init() {}
}

extension GraphBuilder {
  /// The end of a detector: non-maximum suppression of each class, then the best boxes of all,
  /// best first. Outputs "boxes" float32 [n, 4] (left, top, right, bottom in fractions of the image),
  /// "scores" float32 [n], "classes" int64 [n]; n is known when the model has run.
  ///
  /// - Parameters:
  ///   - corners: [1, candidates, 4].
  ///   - scores: [1, classes, candidates].
  func detections(corners: Value, scores: Value, _ suppression: Suppression) {
    let candidates = scores.shape?.last?.fixed ?? 1
    let clipped = withinImage(corners)
    let selected = suppressed(clipped, scores, suppression)
    let (label, candidate) = (row(selected, 1), row(selected, 2))
    let place = add(multiply(label, constant(integers: [candidates])), candidate)
    best(
      boxes: node("Gather", [reshape(clipped, [-1, 4]), candidate]),
      scores: node("Gather", [reshape(scores, [-1]), place]), classes: label, suppression)
  }

  /// The same where every class has boxes of its own.
  ///
  /// - Parameters:
  ///   - classCorners: [classes, candidates, 4].
  ///   - scores: [classes, 1, candidates]. Classes are to the suppression what images are.
  func detections(classCorners: Value, scores: Value, _ suppression: Suppression) {
    let selected = suppressed(classCorners, scores, suppression)
    let (label, candidate) = (row(selected, 0), row(selected, 2))
    let candidates = node("Gather", [node("Shape", [scores]), constant(integers: [2])])
    let place = add(multiply(label, candidates), candidate)
    best(
      boxes: node("Gather", [reshape(classCorners, [-1, 4]), place]),
      scores: node("Gather", [reshape(scores, [-1]), place]), classes: label, suppression)
  }

  /// [n, 3]: image, class, candidate.
  private func suppressed(_ boxes: Value, _ scores: Value, _ suppression: Suppression) -> Value {
    node(
      "NonMaxSuppression",
      [
        boxes, scores, constant(integers: [suppression.perClass]),
        Value("", [1], floats: [suppression.iouThreshold]),
        Value("", [1], floats: [suppression.scoreThreshold]),
      ])
  }

  /// Number `i` of each row.
  private func row(_ x: Value, _ i: Int) -> Value {
    node("Gather", [x, Value("", [], integers: [i])], ["axis": 1])
  }

  private func best(boxes: Value, scores: Value, classes: Value, _ suppression: Suppression) {
    let kept = node("Min", [node("Shape", [scores]), constant(integers: [suppression.total])])
    let best = nodes("TopK", [scores, kept], outputs: 2)
    output(node("Gather", [boxes, best[1]]), "boxes")
    output(best[0], "scores")
    output(node("Gather", [classes, best[1]]), "classes")
  }

  /// x[…, range] of the last axis.
  func columns(_ x: Value, _ range: Range<Int>) -> Value { slice(x, axis: -1, range) }

  /// Cut at the image's edges.
  func withinImage(_ corners: Value) -> Value {
    node("Clip", [corners, Value("", [], floats: [0]), Value("", [], floats: [1])])
  }

  /// Middles and sizes [n, 2] each to corners [1, n, 4].
  func corners(middle: Value, size: Value) -> Value {
    let half = multiply(size, constant("", [1], [0.5]))
    let both = concat([node("Sub", [middle, half]), add(middle, half)], axis: -1)
    return node("Unsqueeze", [both, constant(integers: [0])])
  }

  /// Convolution without a bias, batch normalisation, leaky ReLU of 0.1: the layer of Darknet from
  /// YOLO v2 on.
  func darknetLayer(
    _ x: Value, _ maps: Int, kernel: Int = 3, stride: Int = 1, name: String
  ) -> Value {
    let y = conv(
      x, outChannels: maps, kernel: [kernel, kernel], stride: [stride, stride],
      padding: [kernel / 2, kernel / 2], bias: false, initializer: .he, name: name)
    return leaky(batchNormalization(y, name: name + ".norm"))
  }

  func leaky(_ x: Value) -> Value { node("LeakyRelu", [x], ["alpha": 0.1]) }

  func halve(_ x: Value) -> Value { maxPool(x, kernel: [2, 2]) }

  /// Every pixel of a map becomes 2 × 2.
  func double(_ x: Value) -> Value {
    let (c, h, w) = spatial(x)
    let apart = reshape(x, [0, c, h, 1, w, 1])
    let wide = node("Expand", [apart, constant(integers: [1, 1, 1, 2, 1, 2])])
    return reshape(wide, [0, c, 2 * h, 2 * w])
  }

  /// 2 × 2 pixels of a map become one with four times the channels: YOLO v2's passthrough layer.
  func spaceToDepth(_ x: Value) -> Value {
    let (c, h, w) = spatial(x)
    let apart = reshape(x, [0, c, h / 2, 2, w / 2, 2])
    return reshape(transpose(apart, [0, 3, 5, 1, 2, 4]), [0, 4 * c, h / 2, w / 2])
  }

  /// Channels, height and width of [N, C, H, W]; ones where a mistake was made before.
  func spatial(_ x: Value) -> (channels: Int, height: Int, width: Int) {
    guard failure == nil, let shape = x.shape, shape.count == 4, let c = shape[1].fixed,
      let h = shape[2].fixed, let w = shape[3].fixed
    else { return (1, 1, 1) }
    return (c, h, w)
  }
}

/// `maps` at a width multiplier: the nearest multiple of 4, at least 4.
func scaled(_ maps: Int, _ width: Float) -> Int {
  width == 1 ? maps : max(4, Int((Float(maps) * width / 4).rounded()) * 4)
}
