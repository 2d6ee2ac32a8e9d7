import Zoo

/// Which regions of an image a detector learns from: some of those on objects, the objects themselves
/// among them, and others (R. Girshick et al. 2014, section 2.3; R. Girshick 2015, section 2.3).
struct RegionSampling {
  /// Regions of an image, and how many of them at most are objects'.
  var regions: Int
  var objects: Int

  func draw(_ regions: [Box], _ objects: [LabelledBox], _ random: inout SeededRandom) -> [Box] {
    let all = regions + objects.map(\.box)
    let isOn = all.map { objects.object(at: $0) != nil }
    func some(_ list: [Int], _ count: Int) -> [Int] {
      random.permutation(list.count).prefix(count).map { list[$0] }
    }
    let on = some(all.indices.filter { isOn[$0] }, self.objects)
    let off = some(all.indices.filter { !isOn[$0] }, self.regions - on.count)
    return (on + off).map { all[$0] }
  }
}

extension [LabelledBox] {
  /// The object that a region overlaps most, where that is at least half; otherwise it is background.
  func object(at region: Box) -> LabelledBox? {
    let best = self.max { region.iou($0.box) < region.iou($1.box) }
    return best.flatMap { region.iou($0.box) >= 0.5 ? $0 : nil }
  }
}
