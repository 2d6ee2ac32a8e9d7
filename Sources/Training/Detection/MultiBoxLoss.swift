import Zoo

/// SSD's loss: W. Liu et al. 2016, equations 1 to 3. Smooth L1 of the places and sizes of matched boxes,
/// cross-entropy of their classes and of the background boxes that are hardest; divided by the number
/// of matched boxes.
public struct MultiBoxLoss: Sendable {
  public let starts: [CenterBox]
  private let corners: [Box]
  /// Beside the background.
  public let classes: Int
  public var coding = BoxCoding.ssd
  /// Boxes that overlap an object by more answer for it.
  public var threshold: Float = 0.5
  /// Background boxes for each matched one.
  public var negatives = 3
  /// In place of mining: every box counts, by −α (1 − p)^γ log p (T.-Y. Lin et al., "Focal loss for
  /// dense object detection", 2017, equation 5); α is 1 − `alpha` for the background.
  public var focal: (alpha: Float, gamma: Float)?
  /// α of equation 1.
  public var boxWeight: Float = 1

  public init(_ starts: [CenterBox], classes: Int) {
    self.starts = starts
    corners = starts.map { Box($0) }
    self.classes = classes
  }

  /// What each box is to learn.
  private enum Target {
    case background
    case object(label: Int, code: SIMD4<Float>)
    case ignored
  }

  private func targets(_ objects: [LabelledBox]) -> [Target] {
    let own = objects.filter { !$0.isCrowd }
    let crowds = objects.filter(\.isCrowd)
    return matchBoxes(corners, to: own.map(\.box), threshold: threshold).enumerated().map { i, j in
      if j >= 0 {
        return .object(
          label: own[j].label, code: coding.encode(CenterBox(own[j].box), from: starts[i]))
      }
      let isInCrowd = crowds.contains { corners[i].iou($0.box) > threshold }
      return isInCrowd ? .ignored : .background
    }
  }

  /// The loss of a batch; adds its derivative to the outputs' gradients where there are any.
  ///
  /// - Parameters:
  ///   - locations: [N, boxes, 4].
  ///   - confidences: [N, boxes, classes + 1].
  ///   - objects: of each image.
  public func evaluate<S: TrainingScalar>(
    _ locations: Tensor<S>, _ confidences: Tensor<S>, _ objects: [[LabelledBox]]
  ) -> DetectionLoss {
    let targets = objects.map { self.targets($0) }
    let matched = targets.reduce(0) {
      $0 + $1.count { if case .object = $0 { true } else { false } }
    }
    let scale = 1 / S(max(matched, 1))
    var result = DetectionLoss()
    let probabilities = UnsafeMutablePointer<S>.allocate(capacity: starts.count * (classes + 1))
    defer { probabilities.deallocate() }
    for (image, targets) in targets.enumerated() {
      result.boxes += locationLoss(locations, image, targets, scale)
      result.classes += classLoss(confidences, image, targets, scale, probabilities)
    }
    return result
  }

  private func locationLoss<S: TrainingScalar>(
    _ y: Tensor<S>, _ image: Int, _ targets: [Target], _ scale: S
  ) -> Double {
    var sum: S = 0
    for (i, target) in targets.enumerated() {
      guard case .object(_, let code) = target else { continue }
      let at = (image * starts.count + i) * 4
      for k in 0..<4 {
        let d = y.data[at + k] - S(code[k])
        // Smooth L1: R. Girshick, "Fast R-CNN", 2015, equation 3.
        sum += abs(d) < 1 ? d * d / 2 : abs(d) - 0.5
        y.gradient?[at + k] += S(boxWeight) * scale * min(max(d, -1), 1)
      }
    }
    return Double(S(boxWeight) * sum * scale)
  }

  private func classLoss<S: TrainingScalar>(
    _ y: Tensor<S>, _ image: Int, _ targets: [Target], _ scale: S,
    _ probabilities: UnsafeMutablePointer<S>
  ) -> Double {
    let n = classes + 1
    let logits = y.data + image * starts.count * n
    for i in targets.indices { softmax(n, logits + i * n, probabilities + i * n) }
    var sum: S = 0
    for i in counted(targets, probabilities) {
      var label = 0
      if case .object(let own, _) = targets[i] { label = own + 1 }
      let p = probabilities + i * n
      // Where a probability has vanished its logarithm is still a number.
      let logarithm = S.log(max(p[label], S(1e-30)))
      var factor: S = -1
      if let focal {
        let (alpha, gamma) = (S(label == 0 ? 1 - focal.alpha : focal.alpha), S(focal.gamma))
        let rest = max(1 - p[label], S(1e-12))
        let power = S.pow(rest, gamma)
        sum -= alpha * power * logarithm
        factor = alpha * (gamma * power / rest * p[label] * logarithm - power)
      } else {
        sum -= logarithm
      }
      guard let gradient = y.gradient else { continue }
      let g = gradient + (image * starts.count + i) * n
      for k in 0..<n { g[k] += scale * factor * ((k == label ? 1 : 0) - p[k]) }
    }
    return Double(sum * scale)
  }

  /// The boxes whose class counts: with mining the matched ones and, for each of them, the
  /// `negatives` background boxes that are least taken for background (section 2.2, "Hard negative
  /// mining").
  private func counted<S: TrainingScalar>(
    _ targets: [Target], _ probabilities: UnsafeMutablePointer<S>
  ) -> [Int] {
    var matched: [Int] = []
    var background: [(index: Int, probability: S)] = []
    for (i, target) in targets.enumerated() {
      switch target {
      case .object: matched.append(i)
      case .background: background.append((i, probabilities[i * (classes + 1)]))
      case .ignored: break
      }
    }
    if focal != nil { return matched + background.map(\.index) }
    background.sort {
      $0.probability != $1.probability ? $0.probability < $1.probability : $0.index < $1.index
    }
    return matched + background.prefix(negatives * matched.count).map(\.index)
  }
}
