import Graph

extension GraphBuilder {
  /// The end of a detector that looks at regions: each class has boxes of its own, moved from the
  /// regions. Outputs as `detections` has them.
  ///
  /// - Parameters:
  ///   - corners: of the regions, [R, 4] in fractions of the image.
  ///   - differences: [R, 4 · classes], what moves them.
  ///   - scores: [R, classes].
  func regionDetections(
    corners: Value, differences: Value, scores: Value, _ variances: (place: Float, size: Float),
    _ suppression: Suppression
  ) {
    let classes = known(scores, "the scores of regions")
    let (upper, lower) = (columns(corners, 0..<2), columns(corners, 2..<4))
    // [1, R, 2] beside [classes, R, 2].
    func front(_ x: Value) -> Value { node("Unsqueeze", [x, constant(integers: [0])]) }
    let middles = front(multiply(add(upper, lower), constant(0.5)))
    let sizes = front(node("Sub", [lower, upper]))
    // Classes stand where images do in the suppression.
    let apart = transpose(
      reshape(transpose(differences, [1, 0]), [classes, 4, -1]), [0, 2, 1])
    let boxes = withinImage(decoded(apart, middles: middles, sizes: sizes, variances))
    let ofClass = node("Unsqueeze", [transpose(scores, [1, 0]), constant(integers: [1])])
    detections(classCorners: boxes, scores: ofClass, suppression)
  }

  /// Corners [… n, 4] from differences to boxes (R. Girshick et al. 2014, appendix C, equations 1 to 4):
  ///
  ///     middle = start's middle + place · d · start's size    size = start's size · exp(size · d)
  func decoded(
    _ differences: Value, middles: Value, sizes: Value,
    _ variances: (place: Float, size: Float) = (1, 1)
  ) -> Value {
    let shift = multiply(columns(differences, 0..<2), constant(variances.place))
    let growth = multiply(columns(differences, 2..<4), constant(variances.size))
    let middle = add(middles, multiply(shift, sizes))
    let half = multiply(multiply(sizes, node("Exp", [growth])), constant(0.5))
    return concat([node("Sub", [middle, half]), add(middle, half)], axis: -1)
  }

  /// The last dimension; 1 after the mistake is noted.
  private func known(_ value: Value, _ what: String) -> Int {
    guard failure == nil, let last = value.shape?.last?.fixed else {
      fail("\(what): their number must be known")
      return 1
    }
    return last
  }
}
