import ModelFormat

extension Node {
  /// Whether it is a linear Resize that the runtime computes of bytes as well: along three axes that
  /// follow one another, at most.
  public var resizesBytes: Bool {
    guard op == "Resize", string("mode", default: "nearest") == "linear",
      string("coordinate_transformation_mode", default: "half_pixel") != "tf_crop_and_resize",
      let shape = input(0)?.shape
    else { return false }
    let axes = (ints("axes") ?? Array(shape.indices)).map { $0 < 0 ? $0 + shape.count : $0 }
    guard axes.allSatisfy(shape.indices.contains) else { return false }
    var changed: [Int]
    if let scales = input(2) {
      guard scales.hasRealFloats, scales.count == axes.count else { return false }
      changed = zip(axes, scales.realFloats).filter { $0.1 != 1 }.map(\.0)
    } else {
      guard let sizes = input(3), sizes.kind == .weight, sizes.count == axes.count else {
        return false
      }
      changed = zip(axes, sizes.integers).filter { shape[$0.0] != .fixed($0.1) }.map(\.0)
    }
    return (changed.max() ?? 0) - (changed.min() ?? 0) < 3
  }
}
