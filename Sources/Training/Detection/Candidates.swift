import Foundation
import Zoo

/// What a detector's outputs say of one image, before suppression: boxes, and for each a score of every
/// class. Computed as the graph of the deployed detector does it, but independently of it.
public struct Candidates {
  public var boxes: [Box] = []
  /// Whether there are `classes` boxes for each row of scores, one a class.
  public var hasBoxesOfClasses = false
  /// classes numbers for each box.
  public var scores: [Float] = []
  public let classes: Int

  public init(classes: Int) { self.classes = classes }

  /// The `count` best, of one class.
  func best(_ count: Int) -> Candidates {
    var result = self
    let order = scores.indices.sorted {
      scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1
    }.prefix(count)
    result.boxes = order.map { boxes[$0] }
    result.scores = order.map { scores[$0] }
    return result
  }

  /// Of each class, best first, those that no better box of the class overlaps by more than
  /// `iouThreshold`; then the best of all classes.
  public func suppressed(_ s: Suppression) -> [Detection] {
    let boxes = boxes.map { $0.withinImage }
    var result: [Detection] = []
    for label in 0..<classes {
      func score(_ i: Int) -> Float { scores[i * classes + label] }
      let boxes =
        hasBoxesOfClasses
        ? stride(from: label, to: boxes.count, by: classes).map { boxes[$0] } : boxes
      let order = boxes.indices.filter { score($0) > s.scoreThreshold }
        .sorted { score($0) != score($1) ? score($0) > score($1) : $0 < $1 }
      var kept: [Int] = []
      for i in order where kept.count < s.perClass {
        if kept.allSatisfy({ boxes[$0].iou(boxes[i]) <= s.iouThreshold }) { kept.append(i) }
      }
      result += kept.map { Detection(boxes[$0], label, score: score($0)) }
    }
    result = result.enumerated()
      .sorted {
        $0.element.score != $1.element.score
          ? $0.element.score > $1.element.score : $0.offset < $1.offset
      }
      .map(\.element)
    return Array(result.prefix(s.total))
  }
}

extension Candidates {
  /// Of regions that every class moves in its own way.
  ///
  /// - Parameters:
  ///   - scores: of the classes, region by region.
  ///   - difference: by region and class.
  init(
    _ regions: [Box], classes: Int, _ coding: BoxCoding, scores: [Float],
    difference: (Int, Int) -> SIMD4<Float>
  ) {
    self.init(classes: classes)
    hasBoxesOfClasses = true
    self.scores = scores
    for (row, region) in regions.enumerated() {
      for label in 0..<classes {
        boxes.append(Box(coding.decode(difference(row, label), from: CenterBox(region))))
      }
    }
  }

  /// The same with logits [regions, classes + 1], the background's first.
  init(
    _ regions: [Box], classes: Int, _ coding: BoxCoding, background logits: UnsafePointer<Float>,
    difference: (Int, Int) -> SIMD4<Float>
  ) {
    let n = classes + 1
    var p = [Float](repeating: 0, count: n)
    let scores = regions.indices.flatMap { row in
      softmax(n, logits + row * n, &p)
      return p[1...]
    }
    self.init(regions, classes: classes, coding, scores: scores, difference: difference)
  }
}

extension SSD {
  /// Of image `image` of the outputs "locations" and "confidences".
  public func candidates(_ outputs: [Tensor<Float>], image: Int) -> Candidates {
    let starts = defaultBoxes.boxes
    var result = Candidates(classes: classes)
    var p = [Float](repeating: 0, count: classes + 1)
    for (i, start) in starts.enumerated() {
      let l = outputs[0].data + (image * starts.count + i) * 4
      result.boxes.append(
        Box(BoxCoding.ssd.decode(SIMD4(l[0], l[1], l[2], l[3]), from: start)))
      softmax(classes + 1, outputs[1].data + (image * starts.count + i) * (classes + 1), &p)
      result.scores += p[1...]
    }
    return result
  }
}

extension YOLOv1 {
  /// Of image `image` of the output "grid".
  public func candidates(_ outputs: [Tensor<Float>], image: Int) -> Candidates {
    var result = Candidates(classes: classes)
    for cell in 0..<cells * cells {
      let z = outputs[0].data + (image * cells * cells + cell) * cellSize
      for k in 0..<boxes {
        let p = z + 5 * k
        result.boxes.append(
          Box(
            CenterBox(
              x: (p[0] + Float(cell % cells)) / Float(cells),
              y: (p[1] + Float(cell / cells)) / Float(cells), width: p[2] * p[2],
              height: p[3] * p[3])))
        result.scores += (0..<classes).map { p[4] * z[5 * boxes + $0] }
      }
    }
    return result
  }
}

extension AnchorGrid {
  /// Adds those of image `image` of a map.
  func add(_ y: Tensor<Float>, image: Int, to result: inout Candidates) {
    let places = height * width
    var p = [Float](repeating: 0, count: classes)
    for (a, anchor) in anchors.enumerated() {
      for place in 0..<places {
        let z = y.data + (image * channels + a * numbers) * places + place
        func number(_ k: Int) -> Float { z[k * places] }
        result.boxes.append(
          Box(
            CenterBox(
              x: (logistic(number(0)) + Float(place % width)) / Float(width),
              y: (logistic(number(1)) + Float(place / width)) / Float(height),
              width: anchor.width * Foundation.exp(number(2)),
              height: anchor.height * Foundation.exp(number(3)))))
        for k in 0..<classes { p[k] = number(5 + k) }
        if isExclusive {
          p.withUnsafeMutableBufferPointer { softmax(classes, $0.baseAddress!, $0.baseAddress!) }
        } else {
          for k in 0..<classes { p[k] = logistic(p[k]) }
        }
        let objectness = logistic(number(4))
        result.scores += p.map { objectness * $0 }
      }
    }
  }
}
