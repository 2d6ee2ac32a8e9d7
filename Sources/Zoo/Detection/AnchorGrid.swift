import Graph

/// A map that predicts boxes from anchors, as YOLO v2 and v3 have it: [N, anchors · (5 + classes), H,
/// W], for each anchor tx, ty, tw, th, objectness and the classes. J. Redmon, A. Farhadi, "YOLO9000:
/// Better, faster, stronger", 2017, section 2, "Direct location prediction":
///
///     x = (σ(tx) + column) / W    w = anchor width · exp(tw)    objectness = σ(to)
public struct AnchorGrid: Sendable {
  public var height: Int
  public var width: Int
  public var classes: Int
  /// Widths and heights in fractions of the image.
  public var anchors: [(width: Float, height: Float)]
  /// Whether the classes exclude each other (v2) or each is a question of its own (v3).
  public var isExclusive: Bool

  public init(
    height: Int, width: Int, classes: Int, anchors: [(width: Float, height: Float)],
    isExclusive: Bool
  ) {
    self.height = height
    self.width = width
    self.classes = classes
    self.anchors = anchors
    self.isExclusive = isExclusive
  }

  public var numbers: Int { 5 + classes }
  public var channels: Int { anchors.count * numbers }
}

extension GraphBuilder {
  /// The boxes of one image's maps, and their scores: objectness times the class's probability.
  func candidates(_ maps: [(Value, AnchorGrid)]) -> (corners: Value, scores: Value) {
    var corners: [Value] = []
    var scores: [Value] = []
    for (y, grid) in maps {
      let places = grid.height * grid.width
      let apart = reshape(y, [grid.anchors.count, grid.numbers, places])
      // Anchor by anchor, place by place.
      let rows = reshape(transpose(apart, [0, 2, 1]), [-1, grid.numbers])
      var origins: [Float] = []
      var sizes: [Float] = []
      for anchor in grid.anchors {
        for place in 0..<places {
          origins += [Float(place % grid.width), Float(place / grid.width)]
          sizes += [anchor.width, anchor.height]
        }
      }
      let count = places * grid.anchors.count
      let middle = multiply(
        add(sigmoid(columns(rows, 0..<2)), constant("", [count, 2], origins)),
        constant("", [2], [1 / Float(grid.width), 1 / Float(grid.height)]))
      let size = multiply(node("Exp", [columns(rows, 2..<4)]), constant("", [count, 2], sizes))
      corners.append(self.corners(middle: middle, size: size))
      let logits = columns(rows, 5..<grid.numbers)
      scores.append(
        multiply(
          sigmoid(columns(rows, 4..<5)), grid.isExclusive ? softmax(logits) : sigmoid(logits)))
    }
    let all = transpose(scores.count == 1 ? scores[0] : concat(scores, axis: 0), [1, 0])
    return (
      corners.count == 1 ? corners[0] : concat(corners, axis: 1),
      node("Unsqueeze", [all, constant(integers: [0])])
    )
  }
}
