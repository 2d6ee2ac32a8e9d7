import Zoo

/// Which object each of a detector's starting boxes answers for: W. Liu et al. 2016, section 2.2,
/// "Matching strategy".
///
/// Every object gets the box that overlaps it most; beside that, a box answers for the object that it
/// overlaps most, where that is more than `threshold`.
///
/// - Returns: For each box an index of `objects`, or −1 for the background.
public func matchBoxes(_ boxes: [Box], to objects: [Box], threshold: Float = 0.5) -> [Int] {
  var match = [Int](repeating: -1, count: boxes.count)
  if objects.isEmpty { return match }
  var overlap = [Float](repeating: 0, count: boxes.count * objects.count)
  for (i, box) in boxes.enumerated() {
    var best: Float = threshold
    for (j, object) in objects.enumerated() {
      let iou = box.iou(object)
      overlap[i * objects.count + j] = iou
      if iou > best {
        best = iou
        match[i] = j
      }
    }
  }
  // The best pair of all first, so that two objects never want the same box.
  var open = Set(objects.indices)
  var taken: Set<Int> = []
  while !open.isEmpty {
    var best: (overlap: Float, box: Int, object: Int) = (0, -1, -1)
    for i in boxes.indices where !taken.contains(i) {
      for j in objects.indices where open.contains(j) {
        let iou = overlap[i * objects.count + j]
        if iou > best.overlap { best = (iou, i, j) }
      }
    }
    // What is left overlaps no box at all.
    if best.box < 0 { break }
    match[best.box] = best.object
    open.remove(best.object)
    taken.insert(best.box)
  }
  return match
}

/// A box as SSD and the R-CNNs learn it, relative to the one that it started from: R. Girshick et al.
/// 2014, appendix C, divided by SSD's variances.
public struct BoxCoding: Sendable {
  public var place: Float
  public var size: Float

  public init(place: Float = 1, size: Float = 1) {
    self.place = place
    self.size = size
  }

  public static let ssd = BoxCoding(place: SSD.variances.place, size: SSD.variances.size)

  /// ((x − xa) / wa, (y − ya) / ha) / place, (log(w / wa), log(h / ha)) / size.
  public func encode(_ box: CenterBox, from start: CenterBox) -> SIMD4<Float> {
    SIMD4(
      (box.x - start.x) / start.width / place, (box.y - start.y) / start.height / place,
      Float.log(box.width / start.width) / size, Float.log(box.height / start.height) / size)
  }

  public func decode(_ code: SIMD4<Float>, from start: CenterBox) -> CenterBox {
    CenterBox(
      x: start.x + code[0] * place * start.width, y: start.y + code[1] * place * start.height,
      width: start.width * Float.exp(code[2] * size),
      height: start.height * Float.exp(code[3] * size))
  }
}
