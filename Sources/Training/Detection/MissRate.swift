import Zoo

/// Objects missed by false positives per image: P. Dollár, C. Wojek, B. Schiele, P. Perona, "Pedestrian
/// detection: An evaluation of the state of the art", 2012, section 4.
///
/// A detection takes the free object that it overlaps most, by at least 0.5, the surest detections
/// first. The miss rate is averaged, as a logarithm, over nine numbers of false positives per image from
/// 0.01 to 1, evenly apart as logarithms; where the curve begins later, its first point counts.
public struct MissRate: Equatable, Sendable {
  /// One point for each detection, the surest first.
  public private(set) var falsePositives: [Double] = []
  public private(set) var missed: [Double] = []
  public private(set) var logAverage = 1.0

  /// - Parameters:
  ///   - found: of each image, one class.
  ///   - objects: of the same images.
  public init(_ found: [[Detection]], of objects: [[LabelledBox]]) {
    let total = objects.reduce(0) { $0 + $1.count }
    var judged: [(score: Float, isRight: Bool)] = []
    for (found, objects) in zip(found, objects) {
      var free = objects.map(\.box)
      for detection in found.sorted(by: { $0.score > $1.score }) {
        let best = free.indices.max { free[$0].iou(detection.box) < free[$1].iou(detection.box) }
        let isRight = best.map { free[$0].iou(detection.box) >= 0.5 } ?? false
        if isRight { free.remove(at: best!) }
        judged.append((detection.score, isRight))
      }
    }
    guard total > 0, !found.isEmpty else { return }
    var (right, wrong) = (0, 0)
    for (_, isRight) in judged.sorted(by: { $0.score > $1.score }) {
      if isRight { right += 1 } else { wrong += 1 }
      falsePositives.append(Double(wrong) / Double(found.count))
      missed.append(1 - Double(right) / Double(total))
    }
    let rates = (0..<9).map { rate(at: Double.exp(Double.log(0.01) * (1 - Double($0) / 8))) }
    // A detector that misses nothing has no logarithm.
    logAverage = Double.exp(rates.reduce(0) { $0 + Double.log(max($1, 1e-10)) } / 9)
  }

  /// The miss rate where there are no more than so many false positives per image.
  public func rate(at falsePositives: Double) -> Double {
    guard let last = self.falsePositives.lastIndex(where: { $0 <= falsePositives + 1e-9 }) else {
      return missed.first ?? 1
    }
    return missed[last]
  }
}
