import Zoo

/// YOLO v1's loss: J. Redmon et al. 2016, equation 3; the mean over the batch's images.
public struct GridLoss: Sendable {
  public let cells: Int
  public let boxes: Int
  public let classes: Int
  /// λ_coord and λ_noobj.
  public var boxWeight: Float = 5
  public var backgroundWeight: Float = 0.5

  public init(cells: Int, boxes: Int, classes: Int) {
    self.cells = cells
    self.boxes = boxes
    self.classes = classes
  }

  private var cellSize: Int { 5 * boxes + classes }

  /// A cell that an object's middle falls into.
  public struct Responsible: Sendable {
    var cell: Int
    /// The predictor that overlaps the object most.
    var box: Int
    /// Middle within the cell, √w, √h; then the overlap, which the confidence is to say.
    var target: [Float]
    var label: Int
  }

  /// Who is responsible for what. It depends on the predictions, but its derivative is not part of the
  /// loss's.
  ///
  /// - Parameter y: [N, cells, cells, 5 · boxes + classes].
  public func assign<S: TrainingScalar>(
    _ y: Tensor<S>, _ objects: [[LabelledBox]]
  ) -> [[Responsible]] {
    objects.enumerated().map { image, objects in
      var seen: Set<Int> = []
      return objects.compactMap { object in
        if object.isCrowd { return nil }
        let truth = CenterBox(object.box)
        func place(_ x: Float) -> Int { min(max(Int(x * Float(cells)), 0), cells - 1) }
        let (row, column) = (place(truth.y), place(truth.x))
        let cell = row * cells + column
        // A cell has one class: of two objects in it the first counts.
        guard seen.insert(cell).inserted else { return nil }
        let (dx, dy) = (
          truth.x * Float(cells) - Float(column), truth.y * Float(cells) - Float(row)
        )
        let z = y.data + (image * cells * cells + cell) * cellSize
        var best = (box: 0, overlap: Float(-1), distance: Float.infinity)
        for k in 0..<boxes {
          let p = z + 5 * k
          let found = CenterBox(
            x: (Float(p[0]) + Float(column)) / Float(cells),
            y: (Float(p[1]) + Float(row)) / Float(cells), width: Float(p[2] * p[2]),
            height: Float(p[3] * p[3]))
          let overlap = Box(found).iou(object.box)
          // Where none overlaps the object, the nearest one: so does the authors' code.
          let distance =
            square(found.x - truth.x) + square(found.y - truth.y)
            + square(found.width - truth.width) + square(found.height - truth.height)
          if overlap > best.overlap || (overlap == best.overlap && distance < best.distance) {
            best = (k, overlap, distance)
          }
        }
        return Responsible(
          cell: cell, box: best.box,
          target: [
            dx, dy, truth.width.squareRoot(), truth.height.squareRoot(), max(best.overlap, 0),
          ], label: object.label)
      }
    }
  }

  /// The loss; adds its derivative to the output's gradient where there is one.
  public func evaluate<S: TrainingScalar>(
    _ y: Tensor<S>, _ responsible: [[Responsible]]
  ) -> DetectionLoss {
    let scale = 1 / S(max(responsible.count, 1))
    var (place, confidence, label) = (S(0), S(0), S(0))
    func term(_ at: Int, _ target: S, _ weight: S, _ sum: inout S) {
      let d = y.data[at] - target
      sum += weight * d * d
      y.gradient?[at] += 2 * scale * weight * d
    }
    for (image, list) in responsible.enumerated() {
      let start = image * cells * cells * cellSize
      let owners = Set(list.map { $0.cell * boxes + $0.box })
      for cell in 0..<cells * cells {
        for k in 0..<boxes where !owners.contains(cell * boxes + k) {
          term(start + cell * cellSize + 5 * k + 4, 0, S(backgroundWeight), &confidence)
        }
      }
      for object in list {
        let at = start + object.cell * cellSize
        let own = at + 5 * object.box
        for k in 0..<4 { term(own + k, S(object.target[k]), S(boxWeight), &place) }
        term(own + 4, S(object.target[4]), 1, &confidence)
        for k in 0..<classes { term(at + 5 * boxes + k, k == object.label ? 1 : 0, 1, &label) }
      }
    }
    var result = DetectionLoss()
    result.boxes = Double(place * scale)
    result.objectness = Double(confidence * scale)
    result.classes = Double(label * scale)
    return result
  }
}

private func square(_ x: Float) -> Float { x * x }
