/// A rectangle of an image by its corners, in fractions of the image's width and height: 0, 0 is the
/// upper left corner of the image, 1, 1 the lower right one.
public struct Box: Equatable, Sendable {
  public var x1: Float
  public var y1: Float
  public var x2: Float
  public var y2: Float

  public init(_ x1: Float, _ y1: Float, _ x2: Float, _ y2: Float) {
    self.x1 = x1
    self.y1 = y1
    self.x2 = x2
    self.y2 = y2
  }

  public init(_ box: CenterBox) {
    x1 = box.x - box.width / 2
    y1 = box.y - box.height / 2
    x2 = box.x + box.width / 2
    y2 = box.y + box.height / 2
  }

  /// Cut at the image's edges.
  public var withinImage: Box {
    func cut(_ x: Float) -> Float { min(max(x, 0), 1) }
    return Box(cut(x1), cut(y1), cut(x2), cut(y2))
  }

  public var width: Float { x2 - x1 }
  public var height: Float { y2 - y1 }
  public var area: Float { max(width, 0) * max(height, 0) }

  public func intersection(_ other: Box) -> Float {
    let width = min(x2, other.x2) - max(x1, other.x1)
    let height = min(y2, other.y2) - max(y1, other.y1)
    return max(width, 0) * max(height, 0)
  }

  /// Area of the intersection over that of the union (Jaccard index); 0 where both are empty.
  public func iou(_ other: Box) -> Float {
    let common = intersection(other)
    let union = area + other.area - common
    return union > 0 ? common / union : 0
  }
}

/// A rectangle by its middle and size, in the same fractions.
public struct CenterBox: Equatable, Sendable {
  public var x: Float
  public var y: Float
  public var width: Float
  public var height: Float

  public init(x: Float, y: Float, width: Float, height: Float) {
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }

  public init(_ box: Box) {
    x = (box.x1 + box.x2) / 2
    y = (box.y1 + box.y2) / 2
    width = box.width
    height = box.height
  }
}

/// A box and what is in it: a class of 0..<classes.
public struct LabelledBox: Equatable, Sendable {
  public var box: Box
  public var label: Int
  /// Many objects close together, or one too hard to judge: neither trained on nor counted (COCO's
  /// "iscrowd").
  public var isCrowd: Bool

  public init(_ box: Box, _ label: Int, isCrowd: Bool = false) {
    self.box = box
    self.label = label
    self.isCrowd = isCrowd
  }
}
