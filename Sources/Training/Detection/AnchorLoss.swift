import Zoo

/// The loss of YOLO v2 and v3, of one or several maps; the mean over the batch's images. J. Redmon,
/// A. Farhadi 2017 and 2018, and the authors' code.
///
/// Each object is learned by the anchor whose shape is most like its own, in the cell that its middle
/// falls into. Every other prediction is to say that there is no object, except those that overlap one
/// by more than `ignoreThreshold`.
///
/// v2 (classes that exclude each other) squares the errors of place, size and objectness, the latter
/// against the overlap, and has cross-entropy of the classes; v3 has logistic losses, the sizes'
/// squares aside.
public struct AnchorLoss: Sendable {
  public let maps: [AnchorGrid]
  public var ignoreThreshold: Float = 0.6
  public var boxWeight: Float = 1
  public var objectWeight: Float
  public var backgroundWeight: Float = 1
  public var classWeight: Float = 1

  public init(_ maps: [AnchorGrid]) {
    self.maps = maps
    // v2's object_scale.
    objectWeight = maps.first?.isExclusive == true ? 5 : 1
  }

  /// A prediction that learns an object.
  public struct Responsible: Sendable {
    var image: Int
    /// Anchor · places + place.
    var slot: Int
    /// Middle within the cell, then log(w / anchor width), log(h / anchor height).
    var target: [Float]
    /// What its objectness is to be: the overlap (v2) or 1.
    var objectness: Float
    /// Small boxes count for more: 2 − w h.
    var weight: Float
    var label: Int
  }

  /// Who learns what in one map.
  public struct Assignment: Sendable {
    var responsible: [Responsible] = []
    /// Of each image and slot: neither an object's nor background.
    var isLeftOut: [Bool] = []
  }

  /// It depends on the predictions, but its derivative is not part of the loss's.
  ///
  /// - Parameter outputs: one for each map, [N, anchors · (5 + classes), H, W].
  public func assign<S: TrainingScalar>(
    _ outputs: [Tensor<S>], _ objects: [[LabelledBox]]
  ) -> [Assignment] {
    var result = maps.map { grid in
      let slots = grid.anchors.count * grid.height * grid.width
      return Assignment(isLeftOut: [Bool](repeating: false, count: objects.count * slots))
    }
    for (image, objects) in objects.enumerated() {
      for (m, grid) in maps.enumerated() {
        let slots = grid.anchors.count * grid.height * grid.width
        for slot in 0..<slots {
          let box = predicted(outputs[m], grid, image, slot)
          if objects.contains(where: { box.iou($0.box) > ignoreThreshold }) {
            result[m].isLeftOut[image * slots + slot] = true
          }
        }
      }
      for object in objects where !object.isCrowd {
        let (m, learner) = responsible(outputs, image, object)
        result[m].responsible.removeAll { $0.image == image && $0.slot == learner.slot }
        result[m].responsible.append(learner)
      }
    }
    return result
  }

  private func responsible<S: TrainingScalar>(
    _ outputs: [Tensor<S>], _ image: Int, _ object: LabelledBox
  ) -> (map: Int, Responsible) {
    let truth = CenterBox(object.box)
    var best = (overlap: Float(-1), map: 0, anchor: 0)
    for (m, grid) in maps.enumerated() {
      for (a, anchor) in grid.anchors.enumerated() {
        let common = min(truth.width, anchor.width) * min(truth.height, anchor.height)
        let union = truth.width * truth.height + anchor.width * anchor.height - common
        if common / union > best.overlap { best = (common / union, m, a) }
      }
    }
    let grid = maps[best.map]
    let anchor = grid.anchors[best.anchor]
    func place(_ x: Float, _ count: Int) -> Int { min(max(Int(x * Float(count)), 0), count - 1) }
    let (row, column) = (place(truth.y, grid.height), place(truth.x, grid.width))
    let slot = (best.anchor * grid.height + row) * grid.width + column
    let overlap = predicted(outputs[best.map], grid, image, slot).iou(object.box)
    return (
      best.map,
      Responsible(
        image: image, slot: slot,
        target: [
          truth.x * Float(grid.width) - Float(column), truth.y * Float(grid.height) - Float(row),
          Float.log(max(truth.width, 1e-6) / anchor.width),
          Float.log(max(truth.height, 1e-6) / anchor.height),
        ], objectness: grid.isExclusive ? overlap : 1, weight: 2 - truth.width * truth.height,
        label: object.label)
    )
  }

  /// Where number `k` of a slot stands.
  private func index(_ grid: AnchorGrid, _ image: Int, _ slot: Int, _ k: Int) -> Int {
    let places = grid.height * grid.width
    return (image * grid.channels + slot / places * grid.numbers + k) * places + slot % places
  }

  private func predicted<S: TrainingScalar>(
    _ y: Tensor<S>, _ grid: AnchorGrid, _ image: Int, _ slot: Int
  ) -> Box {
    func number(_ k: Int) -> Float { Float(y.data[index(grid, image, slot, k)]) }
    let places = grid.height * grid.width
    let place = slot % places
    let anchor = grid.anchors[slot / places]
    return Box(
      CenterBox(
        x: (logistic(number(0)) + Float(place % grid.width)) / Float(grid.width),
        y: (logistic(number(1)) + Float(place / grid.width)) / Float(grid.height),
        width: anchor.width * Float.exp(min(number(2), 20)),
        height: anchor.height * Float.exp(min(number(3), 20))))
  }

  /// The loss; adds its derivative to the outputs' gradients where there are any.
  public func evaluate<S: TrainingScalar>(
    _ outputs: [Tensor<S>], _ assignments: [Assignment], images: Int
  ) -> DetectionLoss {
    var result = DetectionLoss()
    let scale = 1 / S(max(images, 1))
    for (m, grid) in maps.enumerated() {
      result += evaluate(outputs[m], grid, assignments[m], images, scale)
    }
    return result
  }

  private func evaluate<S: TrainingScalar>(
    _ y: Tensor<S>, _ grid: AnchorGrid, _ assignment: Assignment, _ images: Int, _ scale: S
  ) -> DetectionLoss {
    var (place, objectness, label) = (S(0), S(0), S(0))
    let slots = grid.anchors.count * grid.height * grid.width
    func squared(_ at: Int, _ target: S, _ weight: S, _ sum: inout S) {
      let d = y.data[at] - target
      sum += weight * d * d
      y.gradient?[at] += 2 * scale * weight * d
    }
    /// The error of σ(x): squared for v2, logistic for v3.
    func probability(_ at: Int, _ target: S, _ weight: S, _ sum: inout S) {
      let x = y.data[at]
      let p = logistic(x)
      if grid.isExclusive {
        sum += weight * (p - target) * (p - target)
        y.gradient?[at] += 2 * scale * weight * (p - target) * p * (1 - p)
      } else {
        sum += weight * logisticLoss(x, target)
        y.gradient?[at] += scale * weight * (p - target)
      }
    }
    var isBackground = assignment.isLeftOut.map { !$0 }
    for learner in assignment.responsible { isBackground[learner.image * slots + learner.slot] = false }
    for i in 0..<images * slots where isBackground[i] {
      probability(
        index(grid, i / slots, i % slots, 4), 0, S(backgroundWeight), &objectness)
    }
    let n = grid.classes
    let logits = UnsafeMutablePointer<S>.allocate(capacity: 2 * n)
    defer { logits.deallocate() }
    for learner in assignment.responsible {
      func at(_ k: Int) -> Int { index(grid, learner.image, learner.slot, k) }
      let weight = S(boxWeight * learner.weight)
      for k in 0..<2 { probability(at(k), S(learner.target[k]), weight, &place) }
      for k in 2..<4 { squared(at(k), S(learner.target[k]), weight, &place) }
      probability(at(4), S(learner.objectness), S(objectWeight), &objectness)
      if !grid.isExclusive {
        for k in 0..<n { probability(at(5 + k), k == learner.label ? 1 : 0, S(classWeight), &label) }
        continue
      }
      for k in 0..<n { logits[k] = y.data[at(5 + k)] }
      let p = logits + n
      softmax(n, logits, p)
      label -= S(classWeight) * S.log(max(p[learner.label], S(1e-30)))
      for k in 0..<n {
        y.gradient?[at(5 + k)] += scale * S(classWeight) * (p[k] - (k == learner.label ? 1 : 0))
      }
    }
    var result = DetectionLoss()
    result.boxes = Double(place * scale)
    result.objectness = Double(objectness * scale)
    result.classes = Double(label * scale)
    return result
  }
}
