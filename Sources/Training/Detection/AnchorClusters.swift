import Zoo

/// Anchors of the data's own boxes: k-means with the distance 1 − IoU of boxes with one middle
/// (J. Redmon, A. Farhadi, "YOLO9000", 2017, section 2, "Dimension clusters").
///
/// - Returns: `count` pairs, the smallest area first, and the mean IoU of a box with its best anchor.
public func clusterAnchors(
  _ sizes: [(width: Float, height: Float)], count: Int, seed: UInt64 = 1
) -> (anchors: [(width: Float, height: Float)], meanIoU: Float) {
  precondition(count > 0 && sizes.count >= count)
  func iou(_ a: (width: Float, height: Float), _ b: (width: Float, height: Float)) -> Float {
    let common = min(a.width, b.width) * min(a.height, b.height)
    return common / max(a.width * a.height + b.width * b.height - common, .leastNormalMagnitude)
  }
  var random = SeededRandom(seed: seed, 3)
  // Starts far from each other: each is drawn by its distance from those before (D. Arthur,
  // S. Vassilvitskii, "k-means++", 2007).
  var centres = [sizes[random.integer(below: sizes.count)]]
  while centres.count < count {
    let distances = sizes.map { size in
      let d = 1 - centres.map { iou(size, $0) }.max()!
      return d * d
    }
    var left = random.float() * distances.reduce(0, +)
    var chosen = sizes.count - 1
    for (i, d) in distances.enumerated() {
      left -= d
      if left < 0 {
        chosen = i
        break
      }
    }
    centres.append(sizes[chosen])
  }
  var owner = [Int](repeating: -1, count: sizes.count)
  for _ in 0..<300 {
    var isChanged = false
    for (i, size) in sizes.enumerated() {
      var best = 0
      for j in 1..<count where iou(size, centres[j]) > iou(size, centres[best]) { best = j }
      if owner[i] != best {
        owner[i] = best
        isChanged = true
      }
    }
    if !isChanged { break }
    for j in 0..<count {
      let own = sizes.indices.filter { owner[$0] == j }
      if own.isEmpty { continue }
      centres[j] = (
        own.reduce(0) { $0 + sizes[$1].width } / Float(own.count),
        own.reduce(0) { $0 + sizes[$1].height } / Float(own.count)
      )
    }
  }
  let mean =
    sizes.reduce(Float(0)) { sum, size in sum + centres.map { iou(size, $0) }.max()! }
    / Float(sizes.count)
  return (centres.sorted { $0.width * $0.height < $1.width * $1.height }, mean)
}
