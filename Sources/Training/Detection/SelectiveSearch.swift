import Zoo

/// Finds regions that may hold an object, of whatever class: J. R. R. Uijlings, K. E. A. van de Sande, T.
/// Gevers, A. W. M. Smeulders, "Selective search for object recognition", 2013, section 3.
///
/// Small regions of like pixels (`GraphSegmentation`) are joined, the two most similar neighbours
/// first, until one is left; every region on the way is a proposal (algorithm 1). This is done several
/// times, with larger and smaller regions at first and with two measures of similarity, and all
/// proposals together count, each box once. Of the paper's colour spaces there is the image's own.
public struct SelectiveSearch: RegionProposer {
  /// k of the first segmentations.
  public var scales: [Float] = [50, 100, 200]
  /// Pixels of the smallest first region, and of the shorter side of a proposal.
  public var smallest = 10
  public var shortest = 4

  /// What of equation 6 counts: always texture, size and fill.
  private enum Measure: CaseIterable { case withColor, withoutColor }

  public init() {}

  public func regions(_ pixels: [Float], shape: [Int]) -> [Box] {
    let (channels, height, width) = (shape[0], shape[1], shape[2])
    let image = pixels.map { $0 * 255 }
    let textures = TextureMap(image, channels: channels, height: height, width: width)
    var seen: Set<PixelBox> = []
    var result: [Box] = []
    let segmentation = GraphSegmentation(
      image, channels: channels, height: height, width: width)
    for scale in scales {
      let (labels, count) = segmentation.regions(scale: scale, smallest: smallest)
      let first = SimilarRegions(
        labels, count: count, image: image, textures: textures, channels: channels, height: height,
        width: width)
      for measure in Measure.allCases {
        for box in first.joined(countsColor: measure == .withColor)
        where box.right - box.left >= shortest && box.bottom - box.top >= shortest
          && seen.insert(box).inserted
        {
          let (w, h) = (Float(width), Float(height))
          result.append(
            Box(
              Float(box.left) / w, Float(box.top) / h, Float(box.right) / w,
              Float(box.bottom) / h))
        }
      }
    }
    return result
  }
}

/// What finds regions of an image that may hold an object.
public protocol RegionProposer {
  /// - Parameters:
  ///   - pixels: of 0 to 1, channels first.
  ///   - shape: [channels, height, width].
  func regions(_ pixels: [Float], shape: [Int]) -> [Box]
}
